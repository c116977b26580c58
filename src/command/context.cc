#include "command/context.h"

namespace diskdb::command {

Outcome CommandContext::refuse(std::string text) {
  constexpr Bytes kLineEnds = "\r\n";
  text.erase(text.find_last_not_of(kLineEnds) + 1);
  text.erase(0, text.find_first_not_of(kLineEnds));
  refusal_text = std::move(text);
  return Refusal::kWritten;
}

}  // namespace diskdb::command
