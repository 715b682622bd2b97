#include "coordinator/audit/audit_book.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "runtime/digest.h"

namespace entente::audit {
namespace {

constexpr const char* kPrefix = "audit/";
constexpr const char* kPrefixEnd = "audit0";  // '0' follows '/'.
constexpr size_t kInstantDigits = 16;
constexpr size_t kWriterDigits = 8;
constexpr size_t kMaxStateBytes = size_t{8} * 1024;
// Entries that one page looks at, and that one removal removes.
constexpr size_t kChunk = 1'000;

// Sorts as the instants do, from 1970 on.
std::string DigitsOf(int64_t micros) {
  std::array<char, kInstantDigits> digits{};
  const auto [end, error] =
      std::to_chars(digits.begin(), digits.end(), std::max<int64_t>(micros, 0), 16);
  const std::string text(digits.begin(), end);
  return std::string(kInstantDigits - text.size(), '0') + text;
}

std::string NoteAt(Instant instant) {
  return kPrefix + DigitsOf(ToMicros(instant));
}

bool IsId(std::string_view text) {
  return text.size() == kInstantDigits + kWriterDigits &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Between two characters: half of one would make the whole entry unreadable.
void Cut(std::string& text, size_t most) {
  if (text.size() > most) {
    text = ToUtf8(text, most);
  }
}

void CutState(Json& state) {
  if (!state.is_null() && DumpJson(state).size() > kMaxStateBytes) {
    state = Json{{"tooLarge", true}};
  }
}

std::string TextOf(const AuditEntry& entry) {
  Json json = AuditJson(entry);
  json.erase("id");  // The note's name.
  return DumpJson(json);
}

std::string KindOf(const AuditEntry& entry) {
  return entry.actor + "\n" + entry.token + "\n" + entry.action + "\n" + entry.code + "\n" +
         entry.peer;
}

bool Matches(const AuditQuery& query, const AuditEntry& entry) {
  const auto is = [](const std::string& wanted, const std::string& there) {
    return wanted.empty() || wanted == there;
  };
  return is(query.actor, entry.actor) && is(query.action, entry.action) &&
         is(query.subject, entry.subject) && is(query.outcome, entry.outcome);
}

// One that can not be read is shown as that, and hides none of the others.
AuditEntry EntryIn(const std::string& id, const std::string& text) {
  auto entry = AuditFrom(id, text);
  if (entry.ok()) {
    return std::move(entry).value();
  }
  AuditEntry damaged;
  damaged.id = id;
  damaged.action = "unreadable";
  damaged.outcome = kFailed;
  damaged.code = entry.status().reason();
  return damaged;
}

// What the notes of a page lie between.
storage::NoteRange RangeOf(const AuditQuery& query) {
  storage::NoteRange range{query.since ? NoteAt(*query.since) : kPrefix, kPrefixEnd, kChunk, true};
  if (query.until) {
    range.below = NoteAt(*query.until);
  }
  if (!query.cursor.empty()) {
    range.below = std::min(range.below, kPrefix + query.cursor);
  }
  return range;
}

}  // namespace

AuditBook::AuditBook(storage::Journal& journal, OnLost on_lost)
    : journal_(journal),
      on_lost_(std::move(on_lost)),
      writer_(runtime::Sha256Hex(runtime::RandomBytes(16)).substr(0, kWriterDigits)) {}

Result<storage::NoteLog*> AuditBook::Log() {
  if (storage::NoteLog* const log = storage::NoteLogOf(journal_)) {
    return log;
  }
  return FailedPrecondition(storage::kNoNotes, "this store keeps no notes, which the audit needs");
}

// No two of one book are the same, also of one microsecond and after a clock that was set back.
std::string AuditBook::NextId(Instant at) {
  const std::lock_guard lock(mutex_);
  last_micros_ = std::max(last_micros_ + 1, ToMicros(at));
  return DigitsOf(last_micros_) + writer_;
}

Status AuditBook::Append(AuditEntry entry) {
  Cut(entry.subject, limits::kMaxErrorTextBytes);
  Cut(entry.reason, limits::kMaxErrorTextBytes);
  CutState(entry.before);
  CutState(entry.after);
  return journal_.PutNote(kPrefix + NextId(entry.at), TextOf(entry));
}

void AuditBook::Record(const AuditEntry& entry) {
  if (const Status written = Append(entry); !written.ok() && on_lost_) {
    on_lost_(written, entry);
  }
}

void AuditBook::Refuse(AuditEntry entry) {
  std::string kind = KindOf(entry);
  const std::lock_guard lock(mutex_);
  auto found = refused_.find(kind);
  if (found == refused_.end() && refused_.size() >= kMaxRefusedKinds) {
    // Only that there were others.
    AuditEntry other;
    other.at = entry.at;
    other.action = "other";
    other.outcome = entry.outcome;
    kind = KindOf(other);
    found = refused_.find(kind);
    entry = std::move(other);
  }
  if (found == refused_.end()) {
    refused_.emplace(std::move(kind), std::move(entry));
  } else {
    ++found->second.times;
  }
}

Status AuditBook::Flush() {
  std::map<std::string, AuditEntry> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(refused_);
  }
  while (!taken.empty()) {
    const auto first = taken.begin();
    if (Status written = Append(first->second); !written.ok()) {
      const std::lock_guard lock(mutex_);
      for (auto& [kind, entry] : taken) {
        if (const auto [at, is_new] = refused_.emplace(kind, entry); !is_new) {
          at->second.times += entry.times;
        }
      }
      return written;
    }
    taken.erase(first);
  }
  return {};
}

Result<AuditPage> AuditBook::List(const AuditQuery& query) {
  if (!query.cursor.empty() && !IsId(query.cursor)) {
    return InvalidArgument("audit.bad_cursor",
                           "the cursor is none of the audit's: take it from a page");
  }
  ENTENTE_RETURN_IF_ERROR(Flush());
  ENTENTE_ASSIGN_OR_RETURN(storage::NoteLog* const log, Log());
  ENTENTE_ASSIGN_OR_RETURN(const auto notes, log->ListNoteRange(RangeOf(query)));
  AuditPage page;
  for (const auto& [name, text] : notes) {
    const std::string id = name.substr(std::string_view(kPrefix).size());
    const AuditEntry entry = EntryIn(id, text);
    if (!Matches(query, entry)) {
      continue;
    }
    if (page.entries.size() == query.limit) {
      page.next_cursor = page.entries.back().id;
      return page;
    }
    page.entries.push_back(entry);
  }
  if (notes.size() == kChunk) {
    page.next_cursor = notes.back().first.substr(std::string_view(kPrefix).size());
  }
  return page;
}

Result<size_t> AuditBook::Purge(Instant before) {
  ENTENTE_ASSIGN_OR_RETURN(storage::NoteLog* const log, Log());
  size_t removed = 0;
  while (true) {
    ENTENTE_ASSIGN_OR_RETURN(const size_t now,
                             log->RemoveNotes({kPrefix, NoteAt(before), kChunk, false}));
    removed += now;
    if (now < kChunk) {
      return removed;
    }
  }
}

}  // namespace entente::audit
