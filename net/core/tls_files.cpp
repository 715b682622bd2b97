#include "net/core/tls_files.h"

#include <utility>

#include <sys/stat.h>

namespace entente::net {

Result<std::shared_ptr<TlsFiles>> TlsFiles::ForServers(TlsServerOptions options) {
  std::vector<std::string> paths{options.certificate_file, options.key_file,
                                 options.client_ca_file};
  return Make(std::move(paths),
              [options = std::move(options)] { return TlsContext::ForServers(options); });
}

Result<std::shared_ptr<TlsFiles>> TlsFiles::ForClients(TlsClientOptions options) {
  std::vector<std::string> paths{options.ca_file, options.certificate_file, options.key_file};
  return Make(std::move(paths),
              [options = std::move(options)] { return TlsContext::ForClients(options); });
}

Result<std::shared_ptr<TlsFiles>> TlsFiles::Make(std::vector<std::string> paths, Load load) {
  std::shared_ptr<TlsFiles> files(new TlsFiles(std::move(paths), std::move(load)));
  ENTENTE_ASSIGN_OR_RETURN(const bool taken, files->Refresh());
  static_cast<void>(taken);
  return files;
}

std::shared_ptr<const TlsContext> TlsFiles::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Result<bool> TlsFiles::Refresh() {
  // Before they are read: what is written meanwhile makes another signature, and is read next time.
  std::string signature = Signature();
  if (signature == taken_) {
    return false;
  }
  ENTENTE_ASSIGN_OR_RETURN(std::shared_ptr<const TlsContext> context, load_());
  taken_ = std::move(signature);
  const std::lock_guard lock(mutex_);
  current_ = std::move(context);
  return true;
}

// Through symbolic links, as orchestrators swap mounted secrets by one.
std::string TlsFiles::Signature() const {
  std::string signature;
  for (const std::string& path : paths_) {
    struct stat found {};
    if (!path.empty() && stat(path.c_str(), &found) == 0) {
      signature += std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino) + ":" +
                   std::to_string(found.st_size) + ":" + std::to_string(found.st_mtim.tv_sec) +
                   "." + std::to_string(found.st_mtim.tv_nsec);
    }
    signature += ";";
  }
  return signature;
}

}  // namespace entente::net
