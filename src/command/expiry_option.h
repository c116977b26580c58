// command/expiry_option.h — how string commands are told when a key expires: EX, PX, EXAT, PXAT,
// and beside them KEEPTTL (SET, MSETEX) or PERSIST (GETEX, INCREX).
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/refusal.h"
#include "base/units.h"
#include "command/arguments.h"
#include "command/context.h"
#include "keyspace/access.h"

namespace diskdb::command {

enum class ExpiryForm : std::uint8_t {
  kNone,
  kKeep,       ///< KEEPTTL
  kPersist,    ///< PERSIST
  kSeconds,    ///< EX
  kMillis,     ///< PX
  kSecondsAt,  ///< EXAT
  kMillisAt,   ///< PXAT
};

/// Borrows the request.
struct ExpiryOption {
  ExpiryForm form = ExpiryForm::kNone;
  Bytes word;  ///< the number behind the option's name

  bool names_time() const { return form >= ExpiryForm::kSeconds; }
  bool is_relative() const { return form == ExpiryForm::kSeconds || form == ExpiryForm::kMillis; }
};

/// Takes an expiry option from the front of `args` into `option`. `extra`: which of kKeep and
/// kPersist the command knows. As in Redis an option may stand twice, the last one counting, but
/// not beside another one. False if no such option may stand there.
bool take_expiry_option(Arguments& args, ExpiryForm extra, ExpiryOption* option);

/// The instant that `option` names, in milliseconds since the epoch. Requires: option.names_time().
/// Refuses what is no integer, or no instant: zero, negative, or beyond 64 bits.
Answer<Millis> expiry_instant(CommandContext& cx, const ExpiryOption& option);

/// Has the instant passed? During replay nothing has: the log says what expired.
bool has_passed(const CommandContext& cx, Millis when);

}  // namespace diskdb::command
