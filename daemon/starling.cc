// starling VERB: the command people type.
#include <csignal>

#include "daemon/commands.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Trains one model on many machines that nobody coordinates"};
  app.require_subcommand(1);
  starling::daemon::Verb chosen;
  starling::daemon::add_up(app, chosen);
  starling::daemon::add_status(app, chosen);
  starling::daemon::add_peers(app, chosen);
  starling::daemon::add_stop(app, chosen);
  starling::daemon::add_checkpoint(app, chosen);
  starling::daemon::add_simulate(app, chosen);
  starling::daemon::add_topology(app, chosen);
  starling::daemon::add_config(app, chosen);
  starling::daemon::add_bench(app, chosen);
  CLI11_PARSE(app, argc, argv);
  return chosen();
}
