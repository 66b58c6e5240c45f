#include "peer/private_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "protocol/check.h"

namespace starling::peer {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyFileBytesMax = 16384;

class File {
 public:
  File(const fs::path& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

Error refused(const fs::path& file, const std::string& what) {
  return {ErrorCode::config, fmt::format("{}: {}", file.string(), what)};
}

Error failed(const fs::path& file, const std::string& what) {
  return {ErrorCode::io, fmt::format("{}: {}: {}", file.string(), what, std::strerror(errno))};
}

KeyPin pin_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  INVARIANT(size > 0);
  const KeyPin pin = pin_of_public_key({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return pin;
}

bool write_all(int fd, std::span<const char> from) {
  while (!from.empty()) {
    const ssize_t wrote = ::write(fd, from.data(), from.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    from = from.subspan(static_cast<std::size_t>(wrote));
  }
  return true;
}

bool sync_directory_of(const fs::path& file) {
  const fs::path around = file.parent_path();
  const File directory(around.empty() ? "." : around, O_RDONLY | O_DIRECTORY);
  return directory.fd() >= 0 && ::fsync(directory.fd()) == 0;
}

Error cannot_open(const fs::path& file) {
  if (errno == ELOOP) {
    return refused(file, "the key file is a symbolic link; name the file that it leads to");
  }
  if (errno == ENOENT) {
    return {ErrorCode::io, fmt::format("{}: no such key file; `starling keygen --out {}` makes one",
                                       file.string(), file.string())};
  }
  return failed(file, "the key file cannot be opened");
}

// What is wrong with its owner or rights; sets `warning` where it is taken all the same.
std::optional<Error> distrust(const fs::path& file, const struct stat& status,
                              std::string& warning) {
  const auto mode = static_cast<unsigned>(status.st_mode & 07777);
  if (!S_ISREG(status.st_mode)) return refused(file, "found no regular file, expected a key");
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    return refused(file, fmt::format("the key file belongs to user {}, expected {} or root; "
                                     "`chown {} {}` if the key is yours",
                                     status.st_uid, ::geteuid(), ::geteuid(), file.string()));
  }
  if ((mode & 077) == 0) return std::nullopt;
  const bool secret = file.lexically_normal().string().starts_with("/run/secrets/");
  if (secret && (mode & 022) == 0) {
    warning = fmt::format("{}: the key has mode {:04o}: every user of this container can read it",
                          file.string(), mode);
    return std::nullopt;
  }
  return refused(file, fmt::format("the key file has mode {:04o}, expected no right for group or "
                                   "others; `chmod 600 {}`",
                                   mode, file.string()));
}

// OpenSSL would ask the terminal.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

KeyPin pin_of_public_key(std::span<const unsigned char> der) {
  KeyPin pin;
  INVARIANT(EVP_Digest(der.data(), der.size(), reinterpret_cast<unsigned char*>(pin.sha256.data()),
                       nullptr, EVP_sha256(), nullptr) == 1);
  return pin;
}

PrivateKey::PrivateKey(std::shared_ptr<evp_pkey_st> key)
    : key_(std::move(key)), pin_(pin_of(key_.get())) {}

PrivateKey PrivateKey::make() {
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  INVARIANT(key != nullptr);
  return PrivateKey({key, EVP_PKEY_free});
}

Result<PrivateKey> create_key_file(const fs::path& file) {
  const PrivateKey key = PrivateKey::make();
  const Bio pem(BIO_new(BIO_s_secmem()));
  INVARIANT(PEM_write_bio_PKCS8PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                          nullptr) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(pem.get(), &text);
  const File out(file, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600);
  if (out.fd() < 0 && errno == EEXIST) {
    return Error{ErrorCode::io, fmt::format("{}: exists already and is never overwritten; name "
                                            "another file, or move it away first",
                                            file.string())};
  }
  if (out.fd() < 0) return failed(file, "the key file cannot be made");
  if (!write_all(out.fd(), {text, static_cast<std::size_t>(size)}) || ::fsync(out.fd()) != 0 ||
      !sync_directory_of(file)) {
    Error error = failed(file, "the key cannot be written");
    ::unlink(file.c_str());
    return error;
  }
  return key;
}

Result<PrivateKey> parse_private_key(std::string_view text) {
  const Bio pem(BIO_new_mem_buf(text.empty() ? "" : text.data(), static_cast<int>(text.size())));
  EVP_PKEY* const read = PEM_read_bio_PrivateKey(pem.get(), nullptr, no_password, nullptr);
  if (!read) {
    return Error{ErrorCode::config,
                 "found no private key in PEM without a password, expected one of "
                 "`starling keygen`"};
  }
  const std::shared_ptr<EVP_PKEY> key(read, EVP_PKEY_free);
  if (EVP_PKEY_get_id(read) != EVP_PKEY_ED25519) {
    return Error{ErrorCode::config,
                 fmt::format("found a key of type {}, expected ED25519, as of `starling keygen`",
                             EVP_PKEY_get0_type_name(read))};
  }
  return PrivateKey(key);
}

Result<KeyFile> read_key_file(const fs::path& file) {
  const File in(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (in.fd() < 0) return cannot_open(file);
  struct stat status {};
  if (::fstat(in.fd(), &status) != 0) return failed(file, "the key file cannot be looked at");
  std::string warning;
  if (auto why = distrust(file, status, warning)) return *why;
  std::array<char, kKeyFileBytesMax> text;
  const ssize_t size = ::read(in.fd(), text.data(), text.size());
  if (size < 0) return failed(file, "the key file cannot be read");
  Result<PrivateKey> key = parse_private_key({text.data(), static_cast<std::size_t>(size)});
  OPENSSL_cleanse(text.data(), text.size());
  if (!key) return refused(file, key.error().message);
  return KeyFile{*key, warning};
}

}  // namespace starling::peer
