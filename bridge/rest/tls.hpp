#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

/// The server's side of TLS, as bytes in and out of a socket that does not block.
namespace klyuchnik::bridge {

/// One connection. For one thread; the socket stays its owner's and must not block.
class TlsConnection {
 public:
    enum class State {
        done,
        wants_read,   ///< Call again when the socket is readable.
        wants_write,  ///< Call again when it is writable.
        closed,       ///< The other end has said goodbye, or has gone.
        failed,       ///< No TLS, another version, bad bytes: only closing is left.
    };
    struct Step {
        State state = State::failed;
        std::size_t bytes = 0;  ///< More than 0 with `done` only.
    };

    ~TlsConnection();
    TlsConnection(const TlsConnection&) = delete;
    TlsConnection& operator=(const TlsConnection&) = delete;

    State handshake();
    Step read(char* out, std::size_t size);
    /// May take a part only. After wants_... the same bytes must be offered again.
    Step write(const char* data, std::size_t size);
    /// Bytes are decrypted and wait for read(): poll() does not tell of them.
    bool pending() const;
    /// close_notify, once, without waiting for the other's; nothing where TLS has failed.
    void say_goodbye();

 private:
    friend class TlsServer;
    struct Impl;
    explicit TlsConnection(std::unique_ptr<Impl> impl);
    State state_after(int result);
    std::unique_ptr<Impl> impl_;
};

/// Certificate and key of a listener. TLS 1.2 with forward secrecy, and 1.3; no renegotiation, no
/// compression, no sessions to resume. Thread-safe.
class TlsServer {
 public:
    /// PEM files; the first may hold a chain, the key no password. Throws std::runtime_error, with
    /// the file and what is wrong, when they cannot be used together.
    TlsServer(std::string cert_file, std::string key_file);
    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    /// Reads the files again, for connections from now on. Throws as the constructor does, and then
    /// goes on with what it has.
    void reload();

    /// When the certificate in use ends. An expired one is used all the same: refusing to serve
    /// would help nobody, and clients see it.
    std::chrono::sys_seconds ends() const;

    /// Nothing when there is no memory.
    std::unique_ptr<TlsConnection> accept(int socket) const;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::bridge
