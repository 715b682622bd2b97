#include "runtime/exceptions.h"

#include <exception>
#include <new>

namespace entente::runtime {

Status OutOfMemory() {
  return Unavailable(kOutOfMemory, "memory is short: try again in a moment");
}

Status DescribeException() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  } catch (const std::exception& exception) {
    return Unavailable(kDefect, exception.what());
  } catch (...) {
    return Unavailable(kDefect, "an exception of unknown type");
  }
}

bool IsOurDefect(const Status& status) {
  return status.reason() == kOutOfMemory || status.reason() == kDefect;
}

bool RunsToItsEnd(const std::function<void()>& work, const OnDefect& on_defect) {
  try {
    work();
    return true;
  } catch (...) {
    if (on_defect) {
      on_defect(DescribeException().message());
    }
    return false;
  }
}

}  // namespace entente::runtime
