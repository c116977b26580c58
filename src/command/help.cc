#include "command/help.h"

#include <string>

namespace diskdb::command {

Outcome reply_help(CommandContext& cx, std::span<const Bytes> lines) {
  const Bytes container = cx.row.name.substr(0, cx.row.name.find(' '));
  cx.reply.array(lines.size() + 3);
  cx.reply.simple(std::string(container) +
                  " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const Bytes line : lines) cx.reply.simple(line);
  cx.reply.simple("HELP");
  cx.reply.simple("    Print these lines.");
  return Outcome::done();
}

}  // namespace diskdb::command
