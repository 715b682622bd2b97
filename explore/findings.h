// Findings: what is wrong with what the walk came upon.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "explore/walk.h"

namespace entente::explore {

// Watches a walk. Borrows what it is made of.
class Inspector final : public WalkObserver {
 public:
  Inspector(const Rules& rules, const ExploreOptions& options) : rules_(rules), options_(options) {}

  void OnTurn(size_t number, const Turn& turn) override;
  void OnEnd(size_t number, const Node& node) override;

  // What was found, once for each code and step, and the node on whose path it was found first.
  struct Found {
    Finding finding;
    size_t node = 0;
  };
  [[nodiscard]] const std::vector<Found>& found() const { return found_; }

  struct End {
    size_t node = 0;
    std::string outcome;
    std::vector<std::string> effects;
  };
  [[nodiscard]] const std::vector<End>& ends() const { return ends_; }
  [[nodiscard]] const std::map<std::string, std::set<int>>& promises() const { return promises_; }
  [[nodiscard]] const std::set<std::string>& reached() const { return reached_; }
  // How many nodes were reached by an abort because an expression failed, and what the first said.
  [[nodiscard]] size_t failed_expressions() const { return failed_expressions_; }
  [[nodiscard]] const std::string& first_failure() const { return first_failure_; }

 private:
  void Add(size_t node, std::string code, const BranchId& branch, std::string message);
  void CheckCommitted(size_t number, const Node& node);
  void CheckStanding(size_t number, const Node& node, const Held& held);
  void CheckAborted(size_t number, const Node& node);
  void CheckWaiting(size_t number, const Node& node);
  void CheckCalls(size_t number, const Node& node);
  void CheckForward(size_t number, const Node& node, const engine::CommandId& command,
                    const RequestFacts& facts);
  void CheckUndo(size_t number, const Node& node, const engine::CommandId& command,
                 const RequestFacts& facts);
  [[nodiscard]] bool MayStay(const BranchId& branch) const;
  [[nodiscard]] bool AsksForPerson(const Node& node, const BranchId& branch) const;

  const Rules& rules_;
  const ExploreOptions& options_;
  std::vector<Found> found_;
  std::vector<End> ends_;
  std::map<std::string, std::set<int>> promises_;
  std::set<std::string> reached_;
  size_t failed_expressions_ = 0;
  std::string first_failure_;
};

}  // namespace entente::explore
