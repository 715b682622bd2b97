#include "net/core/tls.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "net/core/tls_session.h"

namespace entente::net {
namespace {

// The oldest queued OpenSSL error, which names the cause; the queue is emptied.
std::string TakeError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) {
    return "unknown error";
  }
  if (ERR_SYSTEM_ERROR(code)) {
    return std::strerror(ERR_GET_REASON(code));
  }
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "error " + std::to_string(code) : reason;
}

Status Invalid(const std::string& what, const std::string& file) {
  return InvalidArgument("tls.invalid", what + " '" + file + "' can not be used: " + TakeError() +
                                            "; it must be a readable PEM file");
}

Status LoadIdentity(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return Invalid("TLS certificate", certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return Invalid("TLS private key", key);
  }
  return Status();
}

void SetCommonOptions(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

constexpr unsigned char kHttp11Name[] = "\x08http/1.1";
constexpr unsigned char kHttp2Name[] = "\x02h2";

// Chooses what this server speaks where a client offers it. A name tells how long it is itself.
template <const unsigned char* kName>
int SelectProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* in, unsigned int in_size, void* /*argument*/) {
  unsigned char* selected = nullptr;
  const int result = SSL_select_next_proto(&selected, out_size, kName, kName[0] + 1U, in, in_size);
  *out = selected;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

void AddName(const GENERAL_NAME& name, std::vector<std::string>& names) {
  int type = 0;
  const auto* text = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(&name, &type));
  const char* kind = type == GEN_URI     ? "URI:"
                     : type == GEN_DNS   ? "DNS:"
                     : type == GEN_EMAIL ? "EMAIL:"
                                         : nullptr;
  if (kind == nullptr) {
    return;
  }
  const unsigned char* bytes = ASN1_STRING_get0_data(text);
  const unsigned char* end = bytes + ASN1_STRING_length(text);
  // Of "ci.example.org\0.evil.org" nobody is to see the beginning only.
  if (std::all_of(bytes, end, [](unsigned char c) { return c > 0x20 && c < 0x7f; })) {
    names.push_back(kind + std::string(bytes, end));
  }
}

}  // namespace

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

Result<std::shared_ptr<const TlsContext>> TlsContext::ForClients(const TlsClientOptions& options) {
  ERR_clear_error();
  std::shared_ptr<const TlsContext> made(new TlsContext(SSL_CTX_new(TLS_client_method())));
  SSL_CTX* context = made->native();
  ENTENTE_CHECK(context != nullptr);
  SetCommonOptions(context);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const bool trusted =
      options.ca_file.empty()
          ? SSL_CTX_set_default_verify_paths(context) == 1
          : SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) == 1;
  if (!trusted) {
    return Invalid("TLS authorities file", options.ca_file);
  }
  if (!options.certificate_file.empty() || !options.key_file.empty()) {
    ENTENTE_RETURN_IF_ERROR(LoadIdentity(context, options.certificate_file, options.key_file));
  }
  return made;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::ForServers(const TlsServerOptions& options) {
  ERR_clear_error();
  std::shared_ptr<const TlsContext> made(new TlsContext(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* context = made->native();
  ENTENTE_CHECK(context != nullptr);
  SetCommonOptions(context);
  SSL_CTX_set_alpn_select_cb(context,
                             options.protocol == TlsProtocol::kHttp2 ? &SelectProtocol<kHttp2Name>
                                                                     : &SelectProtocol<kHttp11Name>,
                             nullptr);
  ENTENTE_RETURN_IF_ERROR(LoadIdentity(context, options.certificate_file, options.key_file));
  if (!options.client_ca_file.empty()) {
    const char* file = options.client_ca_file.c_str();
    if (SSL_CTX_load_verify_locations(context, file, nullptr) != 1) {
      return Invalid("TLS client authorities file", options.client_ca_file);
    }
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(file));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    static constexpr unsigned char kSessionContext[] = "entente";
    SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  }
  return made;
}

TlsSession::TlsSession(const TlsContext& context, const std::string& host)
    : ssl_(SSL_new(context.native())) {
  Attach();
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl_);
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // An address is compared with the certificate's addresses and never sent as a server name.
  if (X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) != 1) {
    ENTENTE_CHECK(X509_VERIFY_PARAM_set1_host(expected, host.data(), host.size()) == 1);
    // What the macro SSL_set_tlsext_host_name does, without its C cast.
    SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host.c_str()));
  }
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  SSL_set_alpn_protos(ssl_, kHttp11, sizeof(kHttp11) - 1);
  SSL_set_connect_state(ssl_);
}

TlsSession::TlsSession(const TlsContext& context) : ssl_(SSL_new(context.native())) {
  Attach();
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
}

void TlsSession::Attach() {
  ENTENTE_CHECK(ssl_ != nullptr);
  from_network_ = BIO_new(BIO_s_mem());
  to_network_ = BIO_new(BIO_s_mem());
  ENTENTE_CHECK(from_network_ != nullptr);
  ENTENTE_CHECK(to_network_ != nullptr);
  SSL_set_bio(ssl_, from_network_, to_network_);
}

PeerNames TlsSession::ReadPeerNames() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr || SSL_get_verify_result(ssl_) != X509_V_OK) {
    return nullptr;
  }
  auto names = std::make_shared<std::vector<std::string>>();
  auto* const alternatives = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  // What OpenSSL's macros for stacks do, without their C casts.
  const auto* stack = reinterpret_cast<const OPENSSL_STACK*>(alternatives);
  for (int i = 0; i < OPENSSL_sk_num(stack); ++i) {
    AddName(*static_cast<const GENERAL_NAME*>(OPENSSL_sk_value(stack, i)), *names);
  }
  GENERAL_NAMES_free(alternatives);
  ERR_clear_error();
  return names;
}

Status TlsSession::Receive(std::string_view received, std::string& plain, std::string& output) {
  ERR_clear_error();
  ENTENTE_CHECK(received.size() <= static_cast<size_t>(std::numeric_limits<int>::max()));
  if (!received.empty()) {
    BIO_write(from_network_, received.data(), static_cast<int>(received.size()));
  }
  if (!established_) {
    const int result = SSL_do_handshake(ssl_);
    TakeOutput(output);
    if (result != 1) {
      return Failure(result, "the TLS handshake failed");
    }
    established_ = true;
  }
  char buffer[16 * 1024];  // The size of one TLS record.
  while (true) {
    const int count = SSL_read(ssl_, buffer, sizeof(buffer));
    if (count <= 0) {
      TakeOutput(output);
      return Failure(count, "decryption failed");
    }
    plain.append(buffer, static_cast<size_t>(count));
  }
}

Status TlsSession::Send(std::string_view plain, std::string& output) {
  ERR_clear_error();
  while (!plain.empty()) {
    const size_t piece = std::min<size_t>(plain.size(), 1 << 20);
    const int count = SSL_write(ssl_, plain.data(), static_cast<int>(piece));
    if (count <= 0) {
      TakeOutput(output);
      const Status failure = Failure(count, "encryption failed");
      return failure.ok() ? Unavailable("tls.failed", "encryption stalled") : failure;
    }
    plain.remove_prefix(static_cast<size_t>(count));
  }
  TakeOutput(output);
  return Status();
}

void TlsSession::Close(std::string& output) {
  if (established_) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
    TakeOutput(output);
  }
}

void TlsSession::TakeOutput(std::string& output) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(to_network_, &data);
  if (size > 0) {
    output.append(data, static_cast<size_t>(size));
    static_cast<void>(BIO_reset(to_network_));
  }
}

// Ok where the session only waits for more bytes or has been closed properly.
Status TlsSession::Failure(int result, std::string_view doing) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return Status();
    case SSL_ERROR_ZERO_RETURN: peer_closed_ = true; return Status();
    default: break;
  }
  std::string why = TakeError();
  const long verdict = SSL_get_verify_result(ssl_);
  if (verdict != X509_V_OK) {
    why += ": ";
    why += X509_verify_cert_error_string(verdict);
  }
  return Unavailable("tls.failed", std::string(doing) + ": " + why);
}

}  // namespace entente::net
