// command/client_line.h — a session as CLIENT LIST and CLIENT INFO show it.
#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "base/units.h"
#include "command/session.h"

namespace diskdb::command {

/// One line without its newline. Fields that mean nothing here have the value of an idle Redis
/// connection. `request`: what the session is being served, if it asks about itself.
/// Requires: the ClientRegistry's lock, unless the caller runs on the session's own thread.
std::string describe_client(const Session& session, Millis now,
                            std::span<const Bytes> request = {});

}  // namespace diskdb::command
