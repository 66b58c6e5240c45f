// starling VERB: the command people type.
#include <csignal>

#include "daemon/commands.h"
#include "daemon/version.h"

int main(int argc, char** argv) {
  using namespace starling::daemon;
  std::signal(SIGPIPE, SIG_IGN);
  Program program{"Trains one model on many machines that nobody coordinates"};
  program.require_verb();
  program.add_version_flag(version());
  Verb chosen;
  for (auto* add :
       {add_up,         add_simulate, add_status,  add_peers,  add_watch,    add_check,
        add_ping,       add_metrics,  add_monitor, add_stop,   add_leave,    add_checkpoint,
        add_export,     add_pause,    add_resume,  add_reload, add_topology, add_config,
        add_report,     add_bench,    add_advise,  add_keygen, add_id,       add_version,
        add_completion, add_man}) {
    add(program, chosen);
  }
  if (const auto ended = program.read(argc, argv)) return *ended;
  return chosen();
}
