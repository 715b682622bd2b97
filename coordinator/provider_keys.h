// Where an identity provider's keys come from, and that they are taken again when they change.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "coordinator/config.h"
#include "coordinator/identity/web_token.h"
#include "coordinator/process/every.h"

namespace entente::coordinator {

// A JWK set in a file, which is looked at every other second, or at a URL, which is asked every
// five minutes, and sooner when a token names a key that is not known, but then no more than every
// ten seconds: strangers can name as many as they like. What can not be read or fetched is said on
// the log, once, and what there was stays in use; so it does for as long as the provider is away.
//
// A thread of its own. Ends with a request that is under way, which takes seconds at most.
class ProviderKeys {
 public:
  // The rules of `config` and the keys that it names. A file must be readable; a URL need not
  // answer yet. Fails with kInvalidArgument: jwt.bad_keys, config.file.
  [[nodiscard]] static Result<std::unique_ptr<ProviderKeys>> Open(const Config& config);
  ~ProviderKeys();
  ProviderKeys(const ProviderKeys&) = delete;
  ProviderKeys& operator=(const ProviderKeys&) = delete;

  [[nodiscard]] const std::shared_ptr<identity::WebTokens>& tokens() const;

 private:
  class Source;
  ProviderKeys(std::shared_ptr<identity::WebTokens> tokens, std::shared_ptr<Source> source);

  const std::shared_ptr<identity::WebTokens> tokens_;  // Shared with the token book.
  const std::shared_ptr<Source> source_;  // Shared with those who ask for unknown keys.
  std::optional<Every> refresh_;          // After what it uses.
};

}  // namespace entente::coordinator
