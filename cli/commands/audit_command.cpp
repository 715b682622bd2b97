// audit: who did what, or tried to.
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/utf8.h"
#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/text/instants.h"
#include "cli/text/table.h"

namespace entente::cli {
namespace {

struct AuditOptions {
  sdk::AuditRequest request;
  std::string since;
  std::string until;
  bool all = false;
};

constexpr uint32_t kExportPage = 1'000;

Status ReadTimes(AuditOptions& options) {
  for (const auto& [option, text, to] :
       {std::tuple("--since", &options.since, &options.request.since),
        std::tuple("--until", &options.until, &options.request.until)}) {
    if (!text->empty()) {
      ENTENTE_ASSIGN_OR_RETURN(*to, ReadInstant(option, *text, Now()));
    }
  }
  return {};
}

std::string Outcome(const Json& entry) {
  const std::string code = Text(entry, "code");
  const auto times = entry.find("times");
  return Text(entry, "outcome") + (code.empty() ? "" : " " + code) +
         (times != entry.end() && times->is_number_unsigned() ? " x" + DumpJson(*times) : "");
}

std::string ShowEntries(const Json& page, const Terminal& terminal) {
  Table table({"AT", "WHO", "WHAT", "OF", "OUTCOME", "WHY"});
  for (const Json& each : Items(page, "entries")) {
    table.Add({ShowMoment(Text(each, "at"), Now()), Text(each, "actor"), Text(each, "action"),
               Text(each, "subject"), Outcome(each), Text(each, "reason")});
  }
  return table.empty() ? "nothing\n" : table.Render(terminal);
}

// Every entry, each as one line of JSON, page after page.
void Export(Context& context, AuditOptions& options) {
  options.request.limit = kExportPage;
  do {
    const auto page = Checked(Answer::kAudit, context.client().Audit(options.request));
    if (!page.ok()) {
      return context.Fail(page.status());
    }
    for (const Json& entry : Items(page->json, "entries")) {
      context.terminal.out << ShowLines(DumpJson(entry)) << "\n";
    }
    context.terminal.out << std::flush;
    options.request.cursor = Text(page->json, "nextCursor");
  } while (!options.request.cursor.empty());
}

void Run(Context& context, AuditOptions& options) {
  if (const Status read = ReadTimes(options); !read.ok()) {
    return context.Fail(read);
  }
  if (options.all) {
    return Export(context, options);
  }
  const auto page = Checked(Answer::kAudit, context.client().Audit(options.request));
  if (!page.ok()) {
    return context.Fail(page.status());
  }
  if (context.json) {
    return context.PrintJson(page->text);
  }
  context.terminal.out << ShowEntries(page->json, context.terminal);
  if (const std::string cursor = Text(page->json, "nextCursor"); !cursor.empty()) {
    context.terminal.out << "more with --cursor " << cursor << "\n";
  }
  context.terminal.out << std::flush;
}

}  // namespace

void AddAuditCommand(CLI::App& app, Context& context) {
  CLI::App* audit = app.add_subcommand("audit", "Who did what, or tried to, the newest first");
  const auto options = std::make_shared<AuditOptions>();
  sdk::AuditRequest& request = options->request;
  audit->add_option("--actor", request.actor, "Whose doing")->type_name("NAME");
  audit->add_option("--action", request.action, "A method's name, such as pause")
      ->type_name("NAME");
  audit->add_option("--subject", request.subject, "Of what, such as transaction/t1")
      ->type_name("KIND/NAME");
  audit->add_option("--outcome", request.outcome, "done, failed or refused")->type_name("OUTCOME");
  audit->add_option("--since", options->since, "At or after: an instant, or how long ago")
      ->type_name("TIME");
  audit->add_option("--until", options->until, "Before: an instant, or how long ago")
      ->type_name("TIME");
  audit->add_option("--limit", request.limit, "Entries of a page")
      ->check(CLI::Range(1U, ~0U))
      ->type_name("N");
  audit->add_option("--cursor", request.cursor, "Where the page before ended")->type_name("CURSOR");
  audit->add_flag("--export", options->all, "Every entry, one line of JSON each");
  AddClientOptions(*audit, context);
  audit->callback([&context, options] { Run(context, *options); });
}

}  // namespace entente::cli
