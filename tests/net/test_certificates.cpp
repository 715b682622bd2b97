#include "tests/net/test_certificates.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace entente::net::testing {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void Require(bool condition, const char* what) {
  if (!condition) {
    throw std::runtime_error(what);
  }
}

Key MakeKey() {
  Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  Require(key != nullptr, "no key");
  return key;
}

void AddExtension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  Require(extension != nullptr, "bad extension");
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate MakeCertificate(EVP_PKEY* key, const std::string& common_name) {
  Certificate certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  return certificate;
}

void WriteCertificate(const std::string& path, X509* certificate) {
  FILE* file = fopen(path.c_str(), "w");
  Require(file != nullptr && PEM_write_X509(file, certificate) == 1, "certificate not written");
  fclose(file);
}

void WriteKey(const std::string& path, EVP_PKEY* key) {
  FILE* file = fopen(path.c_str(), "w");
  Require(file != nullptr &&
              PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "key not written");
  fclose(file);
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace

Certificates::Certificates(const std::string& name) {
  std::string pattern = (std::filesystem::temp_directory_path() / "certificates-XXXXXX").string();
  Require(mkdtemp(pattern.data()) != nullptr, "no temporary directory");
  directory_ = pattern;
  const Key ca_key = MakeKey();
  const Certificate ca = MakeCertificate(ca_key.get(), "test authority");
  X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
  AddExtension(ca.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(ca.get(), ca_key.get(), EVP_sha256());
  const Key key = MakeKey();
  const Certificate certificate = MakeCertificate(key.get(), "test server");
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca.get()));
  const bool address = name.find_first_not_of("0123456789.:") == std::string::npos;
  AddExtension(certificate.get(), NID_subject_alt_name, (address ? "IP:" : "DNS:") + name);
  X509_sign(certificate.get(), ca_key.get(), EVP_sha256());
  WriteCertificate(ca_file(), ca.get());
  WriteCertificate(certificate_file(), certificate.get());
  WriteKey(key_file(), key.get());
}

Certificates::~Certificates() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string Certificates::ReadCertificate() const {
  return ReadAll(certificate_file());
}

std::string Certificates::ReadKey() const {
  return ReadAll(key_file());
}

}  // namespace entente::net::testing
