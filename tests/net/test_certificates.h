// Certificates made on the spot, so that none can expire in the repository.
#pragma once

#include <memory>
#include <string>

namespace entente::net::testing {

// An authority of its own and a certificate by it for one DNS name (or, if the name is an address,
// for that address). The PEM files lie in a temporary directory that goes with the object.
class Certificates {
 public:
  explicit Certificates(const std::string& name);
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  [[nodiscard]] std::string ca_file() const { return directory_ + "/ca.pem"; }
  [[nodiscard]] std::string certificate_file() const { return directory_ + "/cert.pem"; }
  [[nodiscard]] std::string key_file() const { return directory_ + "/key.pem"; }
  [[nodiscard]] std::string ReadCertificate() const;
  [[nodiscard]] std::string ReadKey() const;

 private:
  std::string directory_;
};

}  // namespace entente::net::testing
