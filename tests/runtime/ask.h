// Waiting for what a coordinator answers on a thread of its own.
#pragma once

#include <future>
#include <utility>

#include "base/status.h"

namespace entente::runtime {

// Hands `call` a callback and blocks until it is run.
template <class T, class Call>
Result<T> Ask(Call call) {
  std::promise<Result<T>> promise;
  call([&promise](Result<T> result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

}  // namespace entente::runtime
