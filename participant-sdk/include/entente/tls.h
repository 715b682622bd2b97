// How clients and servers of this library name themselves by TLS, and whom they trust.
//
// Files are PEM. Each is looked at again for every call or connection: one that was replaced is
// taken, and while what there is can not be read or does not fit together, what there was stays in
// use.
#pragma once

#include <string>

namespace entente::sdk {

// Of a client, for https.
struct TlsOptions {
  std::string ca_file = {};  // The authorities to trust. Empty: the system's.
  // This client's own certificate chain and key, for servers that ask. Both or none.
  std::string certificate_file = {};
  std::string key_file = {};
};

// Of a server. Without a certificate it speaks plain text, with one TLS 1.2 and 1.3 alone.
struct ServerTlsOptions {
  std::string certificate_file = {};  // The chain. Both or none.
  std::string key_file = {};
  // The authorities by one of which every client must show a certificate. Empty: none is asked for.
  std::string client_ca_file = {};
};

}  // namespace entente::sdk
