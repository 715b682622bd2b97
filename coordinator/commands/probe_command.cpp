#include "coordinator/commands/probe_command.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>
#include <string>

#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "coordinator/probe/probe.h"
#include "coordinator/probe/wire.h"
#include "dsl/compiler.h"

namespace entente::coordinator {
namespace {

struct Arguments {
  std::string file;
  std::string participant;
  std::string at;
  std::string observe;
  std::string input;
  std::string answers;
  bool json = false;
};

Result<std::string> Read(const std::string& path) {
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return NotFound("file.unreadable", "cannot read '" + path + "'");
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// As other commands take JSON: itself, "@FILE" or "-".
Result<Json> ReadArgument(const std::string& option, const std::string& text) {
  std::string content = text;
  if (text == "-" || text.starts_with("@")) {
    ENTENTE_ASSIGN_OR_RETURN(content, Read(text == "-" ? text : text.substr(1)));
  }
  Result<Json> json = ParseExactJson(content, limits::kPayloadJson);
  if (!json.ok()) {
    return InvalidArgument("cli.bad_json", option + ": " + json.status().message());
  }
  return json;
}

// Calls to it do not compute where it is.
void FixAddress(size_t participant, dsl::CallWay& way) {
  const auto fix = [participant](dsl::OperationTemplate& operation) {
    auto* call = std::get_if<dsl::CallTemplate>(&operation);
    if (call != nullptr && call->participant == participant) {
      call->base_url.reset();
    }
  };
  if (way.forward) {
    fix(*way.forward);
  }
  if (way.undo) {
    fix(way.undo->call);
  }
  if (way.undo && way.undo->other_call) {
    fix(*way.undo->other_call);
  }
  if (way.finish) {
    fix(*way.finish);
  }
}

void FixAddress(size_t participant, dsl::Plan& plan) {
  for (dsl::Step& step : plan.steps) {
    auto* work = std::get_if<dsl::CallWork>(&step.work);
    if (work == nullptr) {
      continue;
    }
    FixAddress(participant, *work);
    for (dsl::CallWay& alternative : work->alternatives) {
      FixAddress(participant, alternative);
    }
  }
}

// Where the participant is, if not where the definition says.
void MoveTo(const std::string& at, const std::string& name, dsl::Plan& plan) {
  for (size_t i = 0; i < plan.participants.size(); ++i) {
    dsl::Participant& participant = plan.participants[i];
    if (participant.name != name || at.empty()) {
      continue;
    }
    FixAddress(i, plan);
    if (auto* http = std::get_if<dsl::HttpAddress>(&participant.address)) {
      http->base_url = at.ends_with('/') ? at.substr(0, at.size() - 1) : at;
      http->others.clear();
      http->allowed.clear();
    } else {
      auto& grpc = std::get<dsl::GrpcAddress>(participant.address);
      grpc.target = at;
      grpc.others.clear();
    }
  }
}

Result<std::shared_ptr<const dsl::Plan>> CompileFor(const Arguments& arguments,
                                                    const std::string& source) {
  dsl::CompileOptions options;
  // Other participants are not called, so what is not set may stand for itself.
  options.offline = true;
  options.lookup_env = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  dsl::CompileResult compiled = dsl::Compile(source, options);
  if (const auto* problems = std::get_if<dsl::Problems>(&compiled)) {
    std::string all;
    for (const dsl::Problem& problem : *problems) {
      all += "\n" + arguments.file + ":" + dsl::FormatProblem(problem);
    }
    return InvalidArgument("definition.invalid", "the definition has mistakes:" + all);
  }
  auto plan = std::make_shared<dsl::Plan>(*std::get<std::shared_ptr<const dsl::Plan>>(compiled));
  MoveTo(arguments.at, arguments.participant, *plan);
  for (const dsl::Participant& participant : plan->participants) {
    const auto* http = std::get_if<dsl::HttpAddress>(&participant.address);
    if (participant.name == arguments.participant && http != nullptr && http->base_url.empty()) {
      return InvalidArgument("probe.address_needed",
                             "the address of participant '" + participant.name +
                                 "' is computed by each call: say where it is, with --at URL");
    }
  }
  return std::shared_ptr<const dsl::Plan>(std::move(plan));
}

// Sixteen hexadecimal digits that no run had before: the service must not know its keys.
std::string NewRun() {
  std::random_device random;
  std::string digits;
  while (digits.size() < 16) {
    digits += "0123456789abcdef"[random() % 16];
  }
  return digits;
}

Result<probe::ProbeReport> Run(const Arguments& arguments) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string source, Read(arguments.file));
  ENTENTE_ASSIGN_OR_RETURN(const auto plan, CompileFor(arguments, source));
  ENTENTE_ASSIGN_OR_RETURN(const Json definition, ParseJson(source, limits::kDefinitionJson));
  probe::ProbeOptions options;
  options.participant = arguments.participant;
  const std::string run = NewRun();
  options.run = "probe-" + run;
  Json input;
  Json answers;
  if (!arguments.input.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(input, ReadArgument("--input", arguments.input));
    options.input = &input;
  }
  if (!arguments.answers.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(answers, ReadArgument("--answers", '@' + arguments.answers));
    options.answers = &answers;
  }
  ENTENTE_ASSIGN_OR_RETURN(const auto line, probe::ConnectLine(plan, run, arguments.observe));
  return probe::Probe(*plan, definition, options, *line);
}

void PrintText(const Arguments& arguments, const probe::ProbeReport& report) {
  for (const std::string& passed : report.passed) {
    std::printf("kept    %s\n", passed.c_str());
  }
  for (const std::string& skipped : report.skipped) {
    std::printf("skipped %s\n", skipped.c_str());
  }
  for (const probe::Fault& fault : report.faults) {
    const probe::Promise& promise = probe::PromiseOf(fault.broken);
    std::printf(
        "\nBROKEN  %s [%.*s], promise %d of docs/participants.md: %.*s\n"
        "        seen: %s\n        costs: %.*s\n",
        fault.step.c_str(), static_cast<int>(promise.code.size()), promise.code.data(),
        promise.number, static_cast<int>(promise.says.size()), promise.says.data(),
        fault.what.c_str(), static_cast<int>(promise.costs.size()), promise.costs.data());
  }
  if (report.faults.empty()) {
    std::printf("'%s' kept every promise that was tried\n", arguments.participant.c_str());
  } else {
    std::printf("\n'%s' broke %zu\n", arguments.participant.c_str(), report.faults.size());
  }
}

void PrintJson(const Arguments& arguments, const probe::ProbeReport& report) {
  Json faults = Json::array();
  for (const probe::Fault& fault : report.faults) {
    const probe::Promise& promise = probe::PromiseOf(fault.broken);
    faults.push_back({{"step", fault.step},
                      {"code", promise.code},
                      {"promise", promise.number},
                      {"says", promise.says},
                      {"seen", fault.what},
                      {"costs", promise.costs}});
  }
  std::printf("%s\n", DumpJson({{"participant", arguments.participant},
                                {"faults", std::move(faults)},
                                {"kept", report.passed},
                                {"skipped", report.skipped}})
                          .c_str());
}

int RunAndTell(const Arguments& arguments) {
  const Result<probe::ProbeReport> report = Run(arguments);
  if (!report.ok()) {
    std::fprintf(stderr, "entente: %s [%s]\n", report.status().message().c_str(),
                 report.status().reason().c_str());
    return 1;
  }
  arguments.json ? PrintJson(arguments, *report) : PrintText(arguments, *report);
  return report->faults.empty() ? 0 : 1;
}

}  // namespace

void AddProbeCommand(CLI::App& app, int& exit_code) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "probe", "Try a running service on what a participant owes; never one that works for real");
  command->add_option("FILE", arguments->file, "A definition that calls it; - is standard input")
      ->required()
      ->type_name("");
  command->add_option("--participant", arguments->participant, "Its name in the definition")
      ->required()
      ->type_name("NAME");
  command
      ->add_option("--at", arguments->at,
                   "Where it is, if not where the definition says: a URL, or host:port for gRPC")
      ->type_name("ADDRESS");
  command
      ->add_option("--observe", arguments->observe,
                   "A GET that tells what the service holds, so that effects are seen")
      ->type_name("URL");
  command->add_option("--input", arguments->input, "The transaction's input [made up]")
      ->type_name("JSON|@FILE|-");
  command
      ->add_option("--answers", arguments->answers,
                   "What the other steps answer, as for a dry-run [made up]")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "Print one JSON document, for scripts");
  command->callback([arguments, &exit_code] { exit_code = RunAndTell(*arguments); });
}

}  // namespace entente::coordinator
