#include "entente/client.h"

namespace entente::sdk {
namespace {

template <class T>
T MemberOr(const Json& object, const char* name, bool (Json::*is)() const noexcept, T fallback) {
  const auto found = object.find(name);
  return found != object.end() && ((*found).*is)() ? found->get<T>() : fallback;
}

}  // namespace

bool IsFinalStatus(std::string_view status) {
  return status == "COMMITTED" || status == "ABORTED" || status == "MIXED";
}

std::string Transaction::gid() const {
  return MemberOr(json(), "gid", &Json::is_string, std::string());
}
std::string Transaction::status() const {
  return MemberOr(json(), "status", &Json::is_string, std::string());
}
uint64_t Transaction::revision() const {
  return MemberOr(json(), "revision", &Json::is_number_unsigned, uint64_t{0});
}
bool Transaction::incident() const {
  return MemberOr(json(), "incident", &Json::is_boolean, false);
}
bool Transaction::paused() const {
  return MemberOr(json(), "paused", &Json::is_boolean, false);
}
bool Transaction::finished() const {
  return IsFinalStatus(status());
}
bool Transaction::committed() const {
  return status() == "COMMITTED";
}

Json Transaction::output() const {
  const auto found = json().find("output");
  return found != json().end() ? *found : Json();
}

}  // namespace entente::sdk
