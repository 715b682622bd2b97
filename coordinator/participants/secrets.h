// Secrets: values that are sent to participants and are nowhere else.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "dsl/secret_text.h"
#include "net/core/address_policy.h"
#include "net/core/url.h"
#include "net/grpc/grpc_client.h"
#include "net/http/http_client.h"

namespace entente::participants {

// Reads secrets from the files of a folder, as orchestrators mount them: NAME holds the value, less
// line ends behind it, and NAME.hosts says who may receive it, in the patterns of
// net::AddressPolicy, one to a line. Whoever writes a definition names a secret, and so must not
// decide where it goes: without NAME.hosts it goes nowhere.
//
// Read at each use, so that one that was replaced reaches transactions that are under way. Blocks
// for as long as reading two small files takes. Immutable; thread-safe.
class Secrets {
 public:
  // An empty folder's name: there are no secrets.
  explicit Secrets(std::string folder) : folder_(std::move(folder)) {}

  // A text with its secrets in it, and what of it is secret.
  struct Rendered {
    std::string text;
    std::vector<std::string> values;
  };

  // Fails with kUnavailable, reason secret.missing (there is no such file, or it can not be read),
  // secret.unusable (it is too short to be told from other text, too large, would break a header,
  // or is no ASCII, which metadata must be) or secret.not_for (`origin` is not among its hosts). No
  // message holds a value.
  [[nodiscard]] Result<Rendered> Render(const dsl::SecretText& text, const net::Origin& origin,
                                        net::AddressPolicy::Protocol protocol) const;

 private:
  [[nodiscard]] Result<std::string> Read(const std::string& name,
                                         net::AddressPolicy::Protocol protocol) const;
  [[nodiscard]] Status CheckHost(const std::string& name, const net::Origin& origin,
                                 net::AddressPolicy::Protocol protocol) const;

  const std::string folder_;
};

// Replaces each of `values` in `text`, which somebody who was sent them may have sent back, as
// base/redact.h does.
void Redact(const std::vector<std::string>& values, std::string& text);
// In every string of a document, names of members too.
void Redact(const std::vector<std::string>& values, Json& document);
// In all that came of a call, before anybody reads it: body, headers or metadata, and what went
// wrong.
void Redact(const std::vector<std::string>& values, net::HttpOutcome& outcome);
void Redact(const std::vector<std::string>& values, net::GrpcOutcome& outcome);

}  // namespace entente::participants
