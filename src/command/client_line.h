// command/client_line.h — a session as CLIENT LIST and CLIENT INFO show it.
#pragma once

#include <string>

#include "base/units.h"
#include "command/session.h"

namespace diskdb::command {

/// One line without its newline. Fields that mean nothing here have the value of an idle Redis
/// connection. Requires: the ClientRegistry's lock, unless the caller runs on the session's own
/// thread.
std::string describe_client(const Session& session, Millis now);

}  // namespace diskdb::command
