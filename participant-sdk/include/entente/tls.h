// How a client of this library trusts whom it calls by https, and names itself to it.
#pragma once

#include <string>

namespace entente::sdk {

// Names of PEM files. They are read when the first https call is made.
struct TlsOptions {
  std::string ca_file = {};  // The authorities to trust. Empty: the system's.
  // This client's own certificate chain and key, for servers that ask. Both or none.
  std::string certificate_file = {};
  std::string key_file = {};
};

}  // namespace entente::sdk
