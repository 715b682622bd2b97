// One TLS connection without a socket. Internal to net.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "net/core/peer_names.h"
#include "net/core/tls.h"

struct ssl_st;
struct bio_st;

namespace entente::net {

// Turns bytes from the network into plain text and back; whoever owns the socket moves the bytes.
// Failures have reason tls.failed and say why in OpenSSL's words. Single-threaded.
class TlsSession {
 public:
  // A client that speaks to `host` (a name or an address), whose certificate must say so.
  TlsSession(const TlsContext& context, const std::string& host);
  // A server. The context may go before the session.
  explicit TlsSession(const TlsContext& context);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Takes bytes from the network (none, to begin a client's handshake). Appends what they decrypt
  // to to `plain` and what must be sent in return to `output`, also on failure (the alert).
  [[nodiscard]] Status Receive(std::string_view received, std::string& plain, std::string& output);

  // Encrypts `plain`, appending to `output`. Only once established.
  [[nodiscard]] Status Send(std::string_view plain, std::string& output);

  // Appends the closing alert.
  void Close(std::string& output);

  [[nodiscard]] bool established() const { return established_; }
  // Of a server, once established: who the client is. Null where none was asked for a certificate.
  [[nodiscard]] PeerNames ReadPeerNames() const;
  // Whether the peer has said that it sends nothing more.
  [[nodiscard]] bool peer_closed() const { return peer_closed_; }

 private:
  void Attach();
  void TakeOutput(std::string& output);
  [[nodiscard]] Status Failure(int result, std::string_view doing);

  ssl_st* ssl_;
  bio_st* from_network_ = nullptr;  // Owned by ssl_.
  bio_st* to_network_ = nullptr;    // Owned by ssl_.
  bool established_ = false;
  bool peer_closed_ = false;
};

}  // namespace entente::net
