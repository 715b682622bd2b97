#include "dsl/read/foreign_words.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace entente::dsl {
namespace {

constexpr std::string_view kChoose =
    R"(write "choose": [{"when": "${...}", "steps": [...]}, {"steps": [...]}])";
constexpr std::string_view kCatch =
    "an error needs no handler: a refusal leads to the step's 'alternatives', else what was done "
    "is "
    "undone by 'compensate'; a step that may fail is \"optional\": true, and 'onAborted' tells of "
    "it";
constexpr std::string_view kNext =
    R"(steps follow one another as they are listed; write "after": ["id", ...] for another order)";
constexpr std::string_view kParallel =
    R"(steps run at the same time when they come after the same ones: write "after": [])";
constexpr std::string_view kRace =
    R"(write "after": {"any": ["id", ...]} at the step that goes on with the first one; the others )"
    R"(are undone)";
constexpr std::string_view kWait = R"(write a step of its own: "wait": {"for": "10s"})";
constexpr std::string_view kSignal =
    R"(write a step of its own: "wait": {"signal": "approved", "timeout": "1h"})";
constexpr std::string_view kCompletion =
    R"(hand on ${completionUrl} or ${token} in the call, and write there "completion": )"
    R"({"when": "${body.paid}"})";
constexpr std::string_view kRetry =
    R"(write "retry": {"initial": "1s", "factor": 2, "max": "1m", "attempts": 8})";
constexpr std::string_view kTimeout =
    R"(write "timeout": "30s" of one call, "deadline": "10m" of all)";
constexpr std::string_view kUndo = "what undoes a step is its 'compensate'";
constexpr std::string_view kForEach =
    R"(write "forEach": {"items": "${input.lines}"}, with "steps": [...] in it if they are several, )"
    R"(and read 'item' and 'index')";
constexpr std::string_view kChild =
    R"(write "action": {"transaction": {"definition": "name", "input": {...}}})";
constexpr std::string_view kCall =
    R"(write "participant": "name" and "action": {"post": "/path", "body": {...}})";
constexpr std::string_view kKind =
    "a step is what it has: 'action' calls, 'wait' waits, 'choose' and 'refuse' decide";
constexpr std::string_view kWhen = R"(write "when": "${...}")";
constexpr std::string_view kFail =
    R"(write a step of its own: "refuse": {"code": "unpaid", "message": "..."})";
constexpr std::string_view kBody =
    "what a call sends is its 'body', with ${...} where values belong";
constexpr std::string_view kOutput =
    "what a step was answered is read as ${steps.ID.output} wherever it is needed";
constexpr std::string_view kKey =
    "every call has an Idempotency-Key of its own; where it belongs into a path or body write "
    "${key}";

constexpr std::string_view kRepeat =
    R"(write it in the call: "repeat": {"until": "${output.state == 'DONE'}", "every": "10s"})";
constexpr std::string_view kLet = R"(write "let": {"name": "${...}"} and read ${name})";
constexpr std::string_view kAfterwards =
    "what is called once the outcome is decided stands in the definition's 'onCommitted' or "
    "'onAborted'";

// In lower case.
constexpr std::array<std::pair<std::string_view, std::string_view>, 91> kWords = {{
    {"catch", kCatch},
    {"catcher", kCatch},
    {"fallback", kCatch},
    {"onerror", kCatch},
    {"onfailure", kCatch},
    {"errorhandler", kCatch},
    {"choice", kChoose},
    {"choices", kChoose},
    {"branches", kChoose},
    {"decisioncases", kChoose},
    {"switch", kChoose},
    {"case", kChoose},
    {"else", kChoose},
    {"gateway", kChoose},
    {"next", kNext},
    {"nextstep", kNext},
    {"startat", kNext},
    {"goto", kNext},
    {"end", kNext},
    {"dependson", kNext},
    {"depends_on", kNext},
    {"transition", kNext},
    {"parallel", kParallel},
    {"fork", kParallel},
    {"forktasks", kParallel},
    {"join", kParallel},
    {"joinon", kParallel},
    {"race", kRace},
    {"anyof", kRace},
    {"firstof", kRace},
    {"afterany", kRace},
    {"sleep", kWait},
    {"delay", kWait},
    {"timer", kWait},
    {"seconds", kWait},
    {"signal", kSignal},
    {"event", kSignal},
    {"callback", kCompletion},
    {"callbackurl", kCompletion},
    {"webhook", kCompletion},
    {"waitfortasktoken", kCompletion},
    {"tasktoken", kCompletion},
    {"human", kSignal},
    {"retries", kRetry},
    {"retrycount", kRetry},
    {"retrypolicy", kRetry},
    {"maxattempts", kRetry},
    {"maximumattempts", kRetry},
    {"intervalseconds", kRetry},
    {"initialinterval", kRetry},
    {"backoffrate", kRetry},
    {"backoffcoefficient", kRetry},
    {"timeoutseconds", kTimeout},
    {"heartbeatseconds", kTimeout},
    {"starttoclosetimeout", kTimeout},
    {"compensation", kUndo},
    {"compensatestate", kUndo},
    {"undo", kUndo},
    {"revert", kUndo},
    {"loop", kForEach},
    {"iterator", kForEach},
    {"itemspath", kForEach},
    {"map", kForEach},
    {"subworkflow", kChild},
    {"subworkflowparam", kChild},
    {"callactivity", kChild},
    {"resource", kCall},
    {"url", kCall},
    {"method", kCall},
    {"servicename", kCall},
    {"type", kKind},
    {"condition", kWhen},
    {"if", kWhen},
    {"fail", kFail},
    {"parameters", kBody},
    {"resultpath", kOutput},
    {"idempotencykey", kKey},
    {"until", kRepeat},
    {"while", kRepeat},
    {"dowhile", kRepeat},
    {"poll", kRepeat},
    {"loopcondition", kRepeat},
    {"variables", kLet},
    {"vars", kLet},
    {"assign", kLet},
    {"resultselector", kLet},
    {"inputmapping", kLet},
    {"finally", kAfterwards},
    {"onsuccess", kAfterwards},
    {"oncompletion", kAfterwards},
    {"failureworkflow", kAfterwards},
}};

}  // namespace

std::string_view AdviceForWord(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto* const found = std::find_if(
      kWords.begin(), kWords.end(), [&lower](const auto& entry) { return entry.first == lower; });
  return found == kWords.end() ? std::string_view() : found->second;
}

}  // namespace entente::dsl
