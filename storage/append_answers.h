// The outcomes of batches that were handed in together, until all are known.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// Shared by the requests that it answers. Put by one thread at a time: a journal's callbacks follow
// one another.
class AppendAnswers {
 public:
  AppendAnswers(size_t batches, AppendEachCallback done)
      : statuses_(batches), left_(batches), done_(std::move(done)) {
    ENTENTE_CHECK(batches > 0);
  }
  AppendAnswers(const AppendAnswers&) = delete;
  AppendAnswers& operator=(const AppendAnswers&) = delete;

  // Once for each batch. The last one runs the callback.
  void Put(size_t batch, Status status) {
    ENTENTE_CHECK(left_ > 0);
    statuses_[batch] = std::move(status);
    if (--left_ == 0) {
      std::exchange(done_, nullptr)(std::move(statuses_));
    }
  }

 private:
  std::vector<Status> statuses_;
  size_t left_;
  AppendEachCallback done_;
};

// For the only batch of an AppendEach.
[[nodiscard]] inline AppendEachCallback AnswerOfOne(AppendCallback on_durable) {
  return [on_durable = std::move(on_durable)](std::vector<Status> statuses) {
    on_durable(std::move(statuses.front()));
  };
}

}  // namespace entente::storage
