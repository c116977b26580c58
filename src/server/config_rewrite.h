// server/config_rewrite.h — CONFIG REWRITE: puts the values into the text of the file that the
// server was started from. Comments, order and what is not understood stay; a setting that is there
// is changed in place, one that is not and has another value than the default is appended.
#pragma once

#include <string>

#include "command/config.h"

namespace diskdb::server {

std::string rewritten_redis_conf(const std::string& text, const command::Config& config);
std::string rewritten_toml(const std::string& text, const command::Config& config);

/// Reads, rewrites and replaces the file, which is either the old or the new one at any time.
/// Errors: kIo...
Status rewrite_config_file(const std::string& path, const command::Config& config);

}  // namespace diskdb::server
