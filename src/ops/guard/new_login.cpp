#include "ops/guard/new_login.h"

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/connection.h"
#include "ops/context/identity.h"
#include "ops/context/rewall_command.h"

namespace rewall {

std::string confirming_command(const Session& session) {
  const auto connection = ssh_connection();
  const auto words = split(connection, ' ');
  auto command = rewall_command(session.path()) + " confirm";
  if (words.size() != 4) return command;
  command += " --new-session";
  const auto user = current_actor().user;
  const bool root = user == "root";
  if (!root) command = "sudo " + command;
  return format("ssh -o ControlPath=none {}-p {} {}@{} {}", root ? "" : "-t ", words[3], user, words[2],
                shell_quote(command));
}

Status prove_new_connection(const Session& session, const Guard& guard) {
  const auto began = connection_began();
  const auto how = confirming_command(session);
  if (!began) return error_of<messages::no_new_connection>(how);
  // The deadline and the length are extended together.
  if (*began <= guard.deadline - guard.length) return error_of<messages::old_connection>(how);
  return {};
}

}  // namespace rewall
