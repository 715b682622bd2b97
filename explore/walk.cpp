#include "explore/walk.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

namespace entente::explore {
namespace {

constexpr uint64_t kMostPaths = uint64_t{1} << 62;
// How often the clock is asked for, in moves.
constexpr size_t kMovesPerLook = 64;

struct FingerprintHash {
  size_t operator()(const Fingerprint& print) const { return print.a ^ (print.b << 1); }
};

class Walker {
 public:
  Walker(const Rules& rules, const ExploreOptions& options, WalkObserver& observer)
      : rules_(rules), options_(options), observer_(observer), pending_(options.max_faults + 1) {}

  WalkResult Walk() {
    result_.nodes.push_back({});
    auto start = std::make_shared<Node>();
    // Any instant does; only differences count.
    start->now = InstantFromMicros(1'800'000'000'000'000);
    Expand(0, start);
    for (size_t moves = 0;; ++moves) {
      const auto level = std::find_if(pending_.begin(), pending_.end(),
                                      [](const auto& one) { return !one.empty(); });
      if (level == pending_.end()) {
        result_.whole_faults = options_.max_faults;
        return std::move(result_);
      }
      if (Stop(moves)) {
        result_.complete = false;
        result_.whole_faults = static_cast<size_t>(level - pending_.begin());
        return std::move(result_);
      }
      Pending next = std::move(level->back());
      level->pop_back();
      Go(next);
    }
  }

 private:
  struct Pending {
    size_t number;
    // Shared by all that start from it: most moves are never in memory as nodes of their own.
    std::shared_ptr<const Node> from;
    Move move;
  };

  bool Stop(size_t moves) {
    if (walked_ >= options_.max_paths) {
      return true;
    }
    if (moves % kMovesPerLook == 0 && options_.out_of_time && options_.out_of_time()) {
      result_.out_of_time = true;
      return true;
    }
    return false;
  }

  void Go(const Pending& next) {
    Turn turn = rules_.Make(*next.from, next.move);
    if (!turn.possible) {
      return;
    }
    const auto [place, is_new] = known_.try_emplace(FingerprintOf(turn.node), result_.nodes.size());
    if (place->second == next.number) {
      return;  // It changed nothing but the time.
    }
    result_.edges.emplace_back(next.number, place->second);
    if (!is_new) {
      ++walked_;
      return;
    }
    const size_t number = place->second;
    result_.nodes.push_back({next.number, next.move});
    observer_.OnTurn(number, turn);
    if (turn.status.ok()) {
      Expand(number, std::make_shared<const Node>(std::move(turn.node)));
    }
  }

  void Expand(size_t number, const std::shared_ptr<const Node>& node) {
    std::vector<Move> moves = rules_.MovesOf(*node, result_.thinned);
    if (moves.empty()) {
      ++walked_;
      observer_.OnEnd(number, *node);
      return;
    }
    // The last that is put down is taken up first.
    std::reverse(moves.begin(), moves.end());
    for (Move& move : moves) {
      const size_t faults = node->faults + FaultsOf(move);
      if (faults > options_.max_faults) {
        result_.fault_bound = true;
        continue;
      }
      pending_[faults].push_back({number, node, std::move(move)});
    }
  }

  const Rules& rules_;
  const ExploreOptions& options_;
  WalkObserver& observer_;
  std::vector<std::vector<Pending>> pending_;  // By faults.
  std::unordered_map<Fingerprint, size_t, FingerprintHash> known_;
  WalkResult result_;
  uint64_t walked_ = 0;
};

}  // namespace

WalkResult Walk(const Rules& rules, const ExploreOptions& options, WalkObserver& observer) {
  return Walker(rules, options, observer).Walk();
}

std::vector<uint64_t> CountPaths(const WalkResult& walk) {
  std::vector<std::vector<size_t>> next(walk.nodes.size());
  std::vector<size_t> missing(walk.nodes.size());
  for (const auto& [from, to] : walk.edges) {
    next[from].push_back(to);
    ++missing[to];
  }
  std::vector<uint64_t> paths(walk.nodes.size());
  std::vector<size_t> ready = {0};
  paths[0] = 1;
  while (!ready.empty()) {
    const size_t from = ready.back();
    ready.pop_back();
    for (const size_t to : next[from]) {
      paths[to] = std::min(kMostPaths, paths[to] + paths[from]);
      if (--missing[to] == 0) {
        ready.push_back(to);
      }
    }
  }
  return paths;
}

}  // namespace entente::explore
