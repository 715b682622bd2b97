#include "cli/list_options.h"

#include <tuple>

#include <CLI/CLI.hpp>

#include "cli/text/instants.h"

namespace entente::cli {

void AddFilters(CLI::App& command, sdk::ListRequest& request) {
  command.add_option("--definition", request.definition, "Only of this definition")
      ->type_name("NAME");
  command.add_option("--mode", request.mode, "Only of this mode: saga, tcc, 2pc")
      ->type_name("MODE");
  command.add_option("--label", request.label, "Only with this label")->type_name("KEY=VALUE");
}

void AddPageOptions(CLI::App& command, sdk::ListRequest& request) {
  command.add_option("--limit", request.limit, "At most so many (50, at most 1000)")
      ->check(CLI::Range(1U, ~0U))
      ->type_name("N");
  command.add_option("--cursor", request.cursor, "Go on after the page that ended with this")
      ->type_name("CURSOR");
}

void AddListOptions(CLI::App& command, ListOptions& options) {
  sdk::ListRequest& request = options.request;
  command
      .add_option("--status", request.status,
                  "ACTIVE, COMMITTING, COMMITTED, ABORTING, ABORTED or MIXED")
      ->type_name("STATUS");
  AddFilters(command, request);
  command.add_flag("--incident", options.incident, "Only what waits for an operator");
  command.add_flag("--paused", options.paused, "Only what an operator paused");
  command.add_option("--since", options.since, "Created at or after: an instant, or how long ago")
      ->type_name("TIME");
  command.add_option("--until", options.until, "Created before: an instant, or how long ago")
      ->type_name("TIME");
  command
      .add_option("--unchanged-since", options.unchanged_since,
                  "Nothing happened to it since: an instant, or how long ago")
      ->type_name("TIME");
  command
      .add_option("--attempts", request.attempts, "Some branch is at this attempt or a later one")
      ->check(CLI::Range(1U, ~0U))
      ->type_name("N");
  command.add_option("--error", request.error, "A part of the latest failure's text")
      ->type_name("TEXT");
  command.add_option("--participant", request.participant, "Only incidents at this participant")
      ->type_name("NAME");
  command.add_option("--code", request.code, "Only incidents with this code")->type_name("CODE");
  command.add_option("--step", request.step, "Only incidents at this step")->type_name("STEP");
  command.add_option("--gid-prefix", request.gid_prefix, "Only gids that begin so")
      ->type_name("TEXT");
  command.add_option("--parent", request.parent, "Only the children of this transaction")
      ->type_name("GID");
}

Status ReadListOptions(ListOptions& options) {
  sdk::ListRequest& request = options.request;
  if (options.incident) {
    request.incident = true;
  }
  if (options.paused) {
    request.paused = true;
  }
  const Instant now = Now();
  for (const auto& [option, text, bound] :
       {std::tuple("--since", &options.since, &request.since),
        std::tuple("--until", &options.until, &request.until),
        std::tuple("--unchanged-since", &options.unchanged_since, &request.unchanged_since)}) {
    if (!text->empty()) {
      ENTENTE_ASSIGN_OR_RETURN(*bound, ReadInstant(option, *text, now));
    }
  }
  return {};
}

}  // namespace entente::cli
