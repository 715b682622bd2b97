// Where exceptions of Protobuf end, for the adapters that call it.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "base/status.h"

namespace entente::net {

// Runs `work`, which returns a Status or a Result, and turns whatever it throws into a failure.
// Protobuf reports what it takes for a programming error by an exception (FatalException), also
// where it was foreign data that led there, and any of its functions may run out of memory. Every
// function of Protobuf that is given descriptors, messages or texts from outside is called inside,
// so that one such input ends one call and not the process, and its recovery with it.
template <class Work>
[[nodiscard]] auto GuardProtobuf(Work&& work) -> decltype(work()) {
  try {
    return std::forward<Work>(work)();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("memory.exhausted", "there is not enough memory to handle it");
  } catch (const std::exception& thrown) {
    return InvalidArgument("proto.fault",
                           std::string("Protobuf can not handle it: ") + thrown.what());
  } catch (...) {
    return InvalidArgument("proto.fault", "Protobuf can not handle it");
  }
}

}  // namespace entente::net
