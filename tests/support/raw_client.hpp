#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// An MQTT client for tests that shows what the broker really answered.
namespace klyuchnik::test {

/// How long a test waits for what must happen. Long, because nothing ever waits for it to pass.
inline constexpr std::chrono::seconds kPatience{10};

struct Message {
    std::string topic;
    std::string payload;  ///< Bytes as they came.
    int qos = 0;
    bool retain = false;  ///< True only for what was kept before the subscription.
};

struct Will {
    std::string topic;
    std::string payload;
    int qos = 1;
    bool retain = false;
};

enum class Protocol { v311, v5 };

/// Files in PEM form, as broker/certificates makes them.
struct TlsFiles {
    std::string ca;    ///< Whose certificate the broker must show, valid for 127.0.0.1.
    std::string cert;  ///< The client's own; empty: it shows none.
    std::string key;   ///< Of `cert`, without a password.
};

struct ClientOptions {
    int port = 0;           ///< Of a broker on 127.0.0.1.
    std::string user;       ///< Empty: no user name is sent.
    std::string password;   ///< Sent only together with `user`.
    std::string client_id;  ///< Empty: the user name.
    Protocol protocol = Protocol::v5;
    std::optional<Will> will;
    int keepalive_s = 60;
    bool clean_start = true;
    std::uint32_t session_expiry_s = 0;  ///< MQTT 5: what is left behind for so long.
    std::optional<TlsFiles> tls;         ///< None: plain TCP.
};

/// One connection, built on libmosquitto; never reconnects by itself.
///
/// The public functions are for one thread; messages arrive on a thread of the client's own. Every
/// function that waits gives up after `deadline` and then throws std::runtime_error, because a
/// missing answer is never what a test expects. At most `kReceivedMax` messages are kept, more
/// throw at the next wait.
class RawClient {
 public:
    static constexpr std::size_t kReceivedMax = 100'000;
    static constexpr int kCutOff = -1;  ///< The broker closed the connection instead of answering.
    static constexpr int kNoTls = -2;   ///< The same where TLS did not come about.

    explicit RawClient(ClientOptions options);
    ~RawClient();  ///< Disconnects if still connected; no will is sent then.
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    /// The reason code of CONNACK: 0 accepted; MQTT 3.1.1: 4 bad user name or password, 5 not
    /// authorised; MQTT 5: 0x86, 0x87. Without a CONNACK `kCutOff`; over TLS `kNoTls`, whoever of
    /// the two did not like the other's certificate: with TLS 1.3 a client learns only from its
    /// first packets that its own was refused.
    int connect(std::chrono::milliseconds deadline = kPatience);

    /// The reason code of PUBACK. MQTT 3.1.1 has none: 0 means only that the broker answered, also
    /// when it dropped the message. MQTT 5: 0x10 taken, but nobody subscribes to the topic. QoS 0:
    /// 0 once it was written. `kCutOff` if the connection ended.
    int publish(std::string_view topic, std::string_view payload, int qos = 1, bool retain = false,
                std::chrono::milliseconds deadline = kPatience);

    /// The granted QoS (0, 1) or the reason of a refusal: 0x80 in MQTT 3.1.1, 0x87 in MQTT 5.
    /// `kCutOff` if the connection ended.
    int subscribe(std::string_view filter, int qos = 1,
                  std::chrono::milliseconds deadline = kPatience);

    /// 0 when it was acknowledged (a refusal shows in MQTT 5 only, and not here), `kCutOff` if the
    /// connection ended.
    int unsubscribe(std::string_view filter, std::chrono::milliseconds deadline = kPatience);

    /// The first message, of those not yet taken, that `wanted` accepts; it is taken out. Nothing
    /// if none came before the deadline.
    std::optional<Message> wait_for(const std::function<bool(const Message&)>& wanted,
                                    std::chrono::milliseconds deadline = kPatience);
    std::optional<Message> wait_for_topic(std::string_view topic,
                                          std::chrono::milliseconds deadline = kPatience);

    /// Waits until `count` messages have arrived that were not taken. False after the deadline.
    bool wait_for_count(std::size_t count, std::chrono::milliseconds deadline = kPatience);

    /// All messages that have arrived and were not taken, oldest first; they are taken out.
    std::vector<Message> take_all();

    bool connected() const;
    /// Waits until the broker has closed the connection. False after the deadline.
    bool wait_until_cut(std::chrono::milliseconds deadline = kPatience);

    void disconnect();  ///< Orderly, so that the broker drops the will.
    void vanish();  ///< Closes the socket without DISCONNECT, so that the broker sends the will.

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace klyuchnik::test
