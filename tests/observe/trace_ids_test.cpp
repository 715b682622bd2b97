#include "observe/trace_ids.h"

#include <set>

#include <catch2/catch.hpp>

namespace entente::observe::test {
namespace {

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

bool IsLowerHex(const std::string& text) {
  return text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

TEST_CASE("a transaction is of its submitter's trace") {
  CHECK(TraceIdOf(Gid("g"), kParent) == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(ParentSpanOf(kParent) == "00f067aa0ba902b7");
}

TEST_CASE("without a submitter's trace, that of a UUID is the UUID, and a child's its family's") {
  const Gid gid("0192F3A1-0000-7000-8000-000000000001");
  CHECK(TraceIdOf(gid, "") == "0192f3a1000070008000000000000001");
  CHECK(TraceIdOf(ChildGid(gid, BranchId("pay")), "") == TraceIdOf(gid, ""));
  CHECK(ParentSpanOf("").empty());
}

TEST_CASE("any gid has a trace, the same each time") {
  for (const char* text :
       {"g", "00000000-0000-0000-0000-000000000000", "0192f3a1-0000-7000-8000"}) {
    const std::string trace = TraceIdOf(Gid(text), "");
    CAPTURE(text, trace);
    CHECK((trace.size() == 32 && IsLowerHex(trace)));
    CHECK(trace.find_first_not_of('0') != std::string::npos);
    CHECK(trace == TraceIdOf(Gid(text), ""));
  }
  CHECK(TraceIdOf(Gid("a"), "") != TraceIdOf(Gid("b"), ""));
}

TEST_CASE("every transaction, branch and attempt is a span of its own") {
  std::set<std::string> spans;
  for (const char* gid : {"a", "b"}) {
    spans.insert(TransactionSpanId(Gid(gid)));
    for (const char* branch : {"x", "y"}) {
      spans.insert(BranchSpanId(Gid(gid), BranchId(branch)));
      for (const char* operation : {"action", "compensate"}) {
        for (const uint32_t alternative : {0U, 1U}) {
          for (const uint32_t attempt : {1U, 2U}) {
            spans.insert(
                AttemptSpanId(Gid(gid), BranchId(branch), operation, alternative, attempt));
          }
        }
      }
    }
  }
  CHECK(spans.size() == 2 * (1 + 2 * (1 + 8)));
  for (const std::string& span : spans) {
    CHECK((span.size() == 16 && IsLowerHex(span)));
  }
}

TEST_CASE("the submitter's word on sampling holds, and is passed on") {
  CHECK(IsSampled(""));
  CHECK(IsSampled(kParent));
  CHECK_FALSE(IsSampled("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
  CHECK(IsSampled("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0b"));
  CHECK(TraceparentOf("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", true) == kParent);
  CHECK(TraceparentOf("a", "b", false) == "00-a-b-00");
}

}  // namespace
}  // namespace entente::observe::test
