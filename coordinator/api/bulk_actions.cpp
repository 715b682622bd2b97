#include "coordinator/api/bulk_actions.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <future>
#include <utility>

#include "base/limits.h"

namespace entente::api {
namespace {

constexpr size_t kPageRows = 100;
constexpr auto kPatience = std::chrono::seconds(1);
constexpr const char* kPrefix = "bulk/";

std::string NoteOf(uint64_t id) {
  return kPrefix + std::to_string(id);
}

std::optional<uint64_t> NumberOf(std::string_view id) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  return error == std::errc() && end == id.data() + id.size() && number > 0 ? std::optional(number)
                                                                            : std::nullopt;
}

// Whether an action reaches it: it is open, and within the scope of who asked.
bool IsMeant(const BulkRequest& request, const storage::SummaryRow& row) {
  return row.summary.open && request.scope.Covers(row.summary.definition, row.summary.labels);
}

// It may be otherwise in a moment.
bool IsForNow(const Status& status) {
  return status.code() == StatusCode::kUnavailable ||
         status.code() == StatusCode::kResourceExhausted;
}

// Waits for an answer that comes on another thread, which may still be in the promise when the
// waiting one has long gone on.
template <class T, class Call>
Result<T> Await(Call call) {
  const auto answer = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> future = answer->get_future();
  call([answer](Result<T> result) { answer->set_value(std::move(result)); });
  return future.get();
}

}  // namespace

Status NoSuchBulk(const std::string& id) {
  return NotFound("bulk.not_found", "there is no bulk action '" + id + "': list them");
}

BulkActions::BulkActions(runtime::Coordinator& coordinator, storage::Journal& journal,
                         BulkOptions options)
    : coordinator_(coordinator), journal_(journal), options_(std::move(options)) {}

BulkActions::~BulkActions() {
  End();
}

void BulkActions::End() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread* thread : {&thread_, &desk_}) {
    if (thread->joinable()) {
      thread->join();
    }
  }
  std::deque<std::function<void()>> dropped;  // Goes after the lock does: it may hold anything.
  const std::lock_guard lock(mutex_);
  dropped.swap(posted_);
}

void BulkActions::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void BulkActions::Handle(BulkCall call, BulkDone done) {
  using Verb = BulkCall::Verb;
  if (call.verb == Verb::kList || call.verb == Verb::kGet) {
    done(Answer(call));
    return;
  }
  // Where it may block.
  Post([this, back = options_.here(), call = std::move(call), done = std::move(done)] {
    const auto answer = [done, result = Answer(call)] { done(result); };
    back ? back(answer) : answer();
  });
}

Result<std::vector<BulkAction>> BulkActions::Answer(const BulkCall& call) {
  Result<BulkAction> one = NoSuchBulk(call.id);
  switch (call.verb) {
    case BulkCall::Verb::kList: return List();
    case BulkCall::Verb::kGet: one = Get(call.id); break;
    case BulkCall::Verb::kBegin: one = Begin(*call.request); break;
    case BulkCall::Verb::kPreview: one = Preview(*call.request); break;
    case BulkCall::Verb::kStop: one = Stop(call.id); break;
  }
  return one.ok() ? Result(std::vector{std::move(*one)}) : one.status();
}

void BulkActions::ServeDesk() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !posted_.empty(); });
    if (ending_) {
      return;
    }
    const std::function<void()> task = std::move(posted_.front());
    posted_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

Status BulkActions::Start() {
  const auto notes = journal_.ListNotes(kPrefix);
  if (!notes.ok() && notes.status().reason() != storage::kNoNotes) {
    return notes.status();
  }
  if (notes.ok()) {
    for (const auto& [name, text] : *notes) {
      const auto number = NumberOf(std::string_view(name).substr(std::string_view(kPrefix).size()));
      auto action = DecodeBulk(text);
      // What another release wrote and this one can not read is left alone; its number stays taken.
      next_ = std::max(next_, number.value_or(0) + 1);
      if (number && action.ok()) {
        actions_.emplace(*number, std::move(action).value());
      }
    }
  }
  thread_ = std::thread([this] { Loop(); });
  desk_ = std::thread([this] { ServeDesk(); });
  return {};
}

Result<storage::SummaryPage> BulkActions::Page(const storage::Filter& filter, size_t limit,
                                               const std::string& cursor) const {
  return Await<storage::SummaryPage>([&](runtime::Callback<storage::SummaryPage> done) {
    coordinator_.List(filter, {limit, cursor}, std::move(done));
  });
}

Result<BulkAction> BulkActions::Preview(BulkRequest request) {
  ENTENTE_ASSIGN_OR_RETURN(const storage::SummaryPage page,
                           Page(request.filter, limits::kMaxPageSize, ""));
  BulkAction action;
  action.matched = static_cast<uint32_t>(std::ranges::count_if(
      page.rows, [&request](const auto& row) { return IsMeant(request, row); }));
  action.more = !page.next_cursor.empty();
  action.created_at = options_.now();
  action.request = std::move(request);
  return action;
}

Result<BulkAction> BulkActions::Begin(BulkRequest request) {
  ENTENTE_ASSIGN_OR_RETURN(BulkAction action, Preview(std::move(request)));
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto running = std::ranges::count_if(
        actions_, [](const auto& each) { return each.second.state == BulkState::kRunning; });
    if (static_cast<size_t>(running) >= kMaxBulkRunning) {
      return ResourceExhausted("bulk.too_many",
                               "as many bulk actions run as may: wait for one, "
                               "or stop one");
    }
    id = next_++;
    action.id = std::to_string(id);
  }
  // Durable before anything is done by it, and before it can be seen.
  ENTENTE_RETURN_IF_ERROR(journal_.PutNote(NoteOf(id), EncodeBulk(action)));
  {
    const std::lock_guard lock(mutex_);
    actions_.emplace(id, action);
  }
  changed_.notify_all();
  Forget();
  return action;
}

Result<BulkAction> BulkActions::Stop(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    BulkAction* action = Find(id);
    if (action == nullptr) {
      return NoSuchBulk(id);
    }
    if (action->state != BulkState::kRunning) {
      return *action;
    }
    action->state = BulkState::kStopped;
    action->ended_at = options_.now();
  }
  changed_.notify_all();
  ENTENTE_RETURN_IF_ERROR(Keep(*NumberOf(id)));
  return Get(id);
}

Result<BulkAction> BulkActions::Get(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto number = NumberOf(id);
  const auto found = number ? actions_.find(*number) : actions_.end();
  return found == actions_.end() ? Result<BulkAction>(NoSuchBulk(id))
                                 : Result<BulkAction>(found->second);
}

std::vector<BulkAction> BulkActions::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<BulkAction> list;
  for (auto at = actions_.rbegin(); at != actions_.rend(); ++at) {
    list.push_back(at->second);
  }
  return list;
}

BulkAction* BulkActions::Find(const std::string& id) {
  const auto number = NumberOf(id);
  const auto found = number ? actions_.find(*number) : actions_.end();
  return found == actions_.end() ? nullptr : &found->second;
}

Status BulkActions::Keep(uint64_t id) {
  if (!options_.is_ours()) {
    return Unavailable("shard.lost", "another node goes on with the bulk actions: try again");
  }
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    text = EncodeBulk(actions_.at(id));
  }
  return journal_.PutNote(NoteOf(id), std::move(text));
}

// The oldest ones that have ended, above what is kept.
void BulkActions::Forget() {
  std::vector<uint64_t> gone;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = actions_.begin(); at != actions_.end() && actions_.size() > kMaxBulkKept;) {
      if (at->second.state == BulkState::kRunning || at->first == working_) {
        ++at;
      } else {
        gone.push_back(at->first);
        at = actions_.erase(at);
      }
    }
  }
  for (const uint64_t id : gone) {
    // One that stays is forgotten at the next start's first Begin.
    static_cast<void>(journal_.PutNote(NoteOf(id), std::nullopt).ok());
  }
}

void BulkActions::Loop() {
  while (const std::optional<uint64_t> id = AwaitWork()) {
    RunPage(*id);
  }
}

std::optional<uint64_t> BulkActions::AwaitWork() {
  std::unique_lock lock(mutex_);
  working_.reset();
  while (!ending_) {
    for (const auto& [id, action] : actions_) {
      if (action.state == BulkState::kRunning) {
        working_ = id;
        return id;
      }
    }
    changed_.wait(lock);
  }
  return std::nullopt;
}

bool BulkActions::Pause() {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, kPatience, [this] { return ending_; });
}

bool BulkActions::MayGoOn(uint64_t id) const {
  const std::lock_guard lock(mutex_);
  return !ending_ && options_.is_ours() && actions_.at(id).state == BulkState::kRunning;
}

void BulkActions::RunPage(uint64_t id) {
  if (!options_.is_ours()) {
    static_cast<void>(Pause());  // Whoever keeps it ends this in a moment.
    return;
  }
  BulkAction action;
  {
    const std::lock_guard lock(mutex_);
    action = actions_.at(id);
  }
  storage::Filter filter = action.request.filter;
  filter.until = filter.until ? std::min(*filter.until, action.created_at) : action.created_at;
  const auto page = Page(filter, kPageRows, action.cursor);
  if (!page.ok()) {
    GiveUpUnlessForNow(id, page.status());
    return;
  }
  for (const storage::SummaryRow& row : page->rows) {
    if (IsMeant(action.request, row) && !ActOn(id, row)) {
      return;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    BulkAction& current = actions_.at(id);
    current.cursor = page->next_cursor;
    if (current.cursor.empty() && current.state == BulkState::kRunning) {
      current.state = BulkState::kFinished;
      current.ended_at = options_.now();
    }
  }
  // Not kept, it is done again after a restart; which is what a kill at this moment would do.
  static_cast<void>(Keep(id).ok());
}

// A list that can not be read for good would keep every other action waiting.
void BulkActions::GiveUpUnlessForNow(uint64_t id, const Status& status) {
  if (IsForNow(status)) {
    static_cast<void>(Pause());
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    BulkAction& action = actions_.at(id);
    action.state = BulkState::kStopped;
    action.ended_at = options_.now();
    ++action.refused;
    action.refusals.push_back({"", status.reason(), status.message()});
  }
  static_cast<void>(Keep(id).ok());
}

bool BulkActions::ActOn(uint64_t id, const storage::SummaryRow& row) {
  runtime::OperatorRequest request;
  {
    const std::lock_guard lock(mutex_);
    const BulkRequest& asked = actions_.at(id).request;
    request.verb = asked.verb;
    request.actor = asked.actor;
    request.actor.reason += " (bulk " + std::to_string(id) + ")";
  }
  request.gid = row.gid;
  while (MayGoOn(id)) {
    const auto view = Await<runtime::TxnView>([&](runtime::Callback<runtime::TxnView> done) {
      coordinator_.Operate(request, std::move(done));
    });
    if (!view.ok() && IsForNow(view.status())) {
      if (!Pause()) {
        return false;
      }
      continue;
    }
    const std::lock_guard lock(mutex_);
    BulkAction& action = actions_.at(id);
    if (view.ok()) {
      ++action.done;
    } else if (++action.refused <= kMaxBulkRefusals) {
      action.refusals.push_back({row.gid.str(), view.status().reason(), view.status().message()});
    }
    return true;
  }
  return false;
}

}  // namespace entente::api
