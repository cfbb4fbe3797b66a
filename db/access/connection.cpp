#include "db/access/connection.hpp"

#include <charconv>
#include <unordered_set>
#include <variant>

#include "db/access/internal.hpp"
#include "db/access/session_options.hpp"

namespace klyuchnik::db {
namespace {

constexpr const char* kByKey =
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off"
    " -c enable_mergejoin=off -c enable_bitmapscan=off -c enable_material=off";

constexpr const char* kSessionOptions =
    " connect_timeout=3 keepalives=1 keepalives_idle=30 keepalives_interval=10 keepalives_count=3"
    " client_encoding=UTF8"
    " options='-c lock_timeout=1s -c idle_in_transaction_session_timeout=3s -c "
    "statement_timeout=10s"
    " -c timezone=UTC -c datestyle=ISO -c jit=off ";

/// Whoever leads speaks to the database every second; one that is held up loses the lead.
constexpr const char* kLeads = " -c idle_session_timeout=10s";

/// What a failure means for whoever must go on. Classes of SQLSTATE from PostgreSQL's appendix A.
Fault::Retry retry_for(const std::string& state) {
    // No state: the server went away in the middle of the statement.
    if (state.empty()) return Fault::Retry::after_reconnect;
    const std::string_view cls = std::string_view{state}.substr(0, 2);
    if (state == "55P03" || state == "57014" || cls == "40") return Fault::Retry::same_batch;
    // 22 data, 23 constraint, 21 cardinality, 54 size limits, P0 raised by a trigger, 44 view
    // check.
    if (cls == "22" || cls == "23" || cls == "21" || cls == "54" || cls == "P0" || cls == "44") {
        return Fault::Retry::one_by_one;
    }
    // 08 connection, 53 resources (disk full, too many connections), 57 shut down, 58 I/O, XX
    // corrupted, 25 read-only.
    if (cls == "08" || cls == "53" || cls == "57" || cls == "58" || cls == "XX" || cls == "25") {
        return Fault::Retry::after_reconnect;
    }
    return Fault::Retry::never;
}

/// Runs `work`, turning whatever libpqxx throws into a Fault.
template <class Work>
auto guarded(const char* what, Work work) -> decltype(work()) {
    const auto text = [&](const std::exception& error) {
        std::string message = std::string{what} + ": " + error.what();
        while (!message.empty() && message.back() == '\n') message.pop_back();
        return message;
    };
    try {
        return work();
    } catch (const pqxx::in_doubt_error& error) {
        throw Fault{text(error), Fault::Retry::after_reconnect, "08007"};
    } catch (const pqxx::broken_connection& error) {
        throw Fault{text(error), Fault::Retry::after_reconnect, "08006"};
    } catch (const pqxx::transaction_rollback& error) {
        throw Fault{text(error), Fault::Retry::same_batch, "40001"};
    } catch (const pqxx::insufficient_privilege& error) {
        // libpqxx drops the state of this one.
        throw Fault{text(error), Fault::Retry::never, "42501"};
    } catch (const pqxx::sql_error& error) {
        throw Fault{text(error), retry_for(error.sqlstate()), error.sqlstate()};
    } catch (const pqxx::failure& error) {
        throw Fault{text(error), Fault::Retry::after_reconnect};
    }
}

}  // namespace

struct Connection::Impl {
    ConnectionSettings settings;
    std::unique_ptr<pqxx::connection> raw;
    std::unordered_set<const Query*> prepared;

    pqxx::connection& open() {
        if (raw) return *raw;
        guarded("connecting to the database", [&] {
            std::string conninfo = settings.conninfo + kSessionOptions + kGiveUpDeadClients;
            if (settings.leads) conninfo += kLeads;
            if (settings.by_key) conninfo += kByKey;
            conninfo += "'";
            if (!settings.role.empty()) conninfo += " user=" + settings.role;
            if (!settings.program.empty()) conninfo += " application_name=" + settings.program;
            auto fresh = std::make_unique<pqxx::connection>(conninfo);
            // Details quote whole rows, names and card numbers in them; they must not reach a log.
            fresh->set_verbosity(pqxx::connection_base::terse);
            pqxx::nontransaction check{*fresh};
            const std::string commit = check.exec1("show synchronous_commit")[0].as<std::string>();
            if (commit != "on" && commit != "remote_apply" && commit != "remote_write") {
                throw Fault{"synchronous_commit is " + commit +
                                ", so a commit would promise nothing: set it to on",
                            Fault::Retry::never};
            }
            check.commit();
            prepared.clear();
            raw = std::move(fresh);
        });
        return *raw;
    }
};

Connection::Connection(ConnectionSettings settings) : impl_{std::make_unique<Impl>()} {
    impl_->settings = std::move(settings);
}
Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

void Connection::open() {
    impl_->open();
}
bool Connection::is_open() const noexcept {
    return impl_->raw != nullptr;
}
void Connection::reset() noexcept {
    impl_->raw.reset();
    impl_->prepared.clear();
}

struct Tx::Impl {
    Connection& connection;
    std::unique_ptr<pqxx::transaction_base> raw;
};

Tx::Tx(Connection& connection, Mode mode) : impl_{new Impl{connection, nullptr}} {
    pqxx::connection& raw = connection.impl().open();
    // A connection that failed must be destroyed: libpqxx would reconnect it silently at the third
    // use.
    try {
        guarded("beginning a transaction", [&] {
            switch (mode) {
                case Mode::read_write:
                    impl_->raw = std::make_unique<pqxx::work>(raw);
                    break;
                case Mode::read_only:
                    impl_->raw = std::make_unique<pqxx::read_transaction>(raw);
                    break;
                case Mode::one_read:
                    impl_->raw = std::make_unique<pqxx::nontransaction>(raw);
                    break;
            }
        });
    } catch (const Fault& fault) {
        if (fault.retry() == Fault::Retry::after_reconnect) connection.reset();
        throw;
    }
}

Tx::~Tx() = default;

void Tx::commit() {
    try {
        guarded("committing", [&] { impl_->raw->commit(); });
        impl_->raw.reset();
    } catch (const Fault& fault) {
        impl_->raw.reset();
        if (fault.retry() == Fault::Retry::after_reconnect) impl_->connection.reset();
        throw;
    }
}

pqxx::result detail::run(Tx& tx, const Query& query,
                         const std::vector<std::optional<std::string>>& values) {
    Tx::Impl& impl = tx.impl();
    Connection::Impl& connection = impl.connection.impl();
    try {
        return guarded(query.name, [&] {
            if (!connection.raw) {
                throw Fault{"the connection is gone", Fault::Retry::after_reconnect};
            }
            if (connection.prepared.insert(&query).second) {
                connection.raw->prepare(query.name, query.text);
            }
            return impl.raw->exec_prepared(query.name, pqxx::prepare::make_dynamic_params(values));
        });
    } catch (const Fault& fault) {
        if (fault.retry() == Fault::Retry::after_reconnect) {
            impl.raw.reset();
            impl.connection.reset();
        }
        throw;
    }
}

void detail::run_text(Tx& tx, const std::string& text, const char* what) {
    guarded(what, [&] { tx.impl().raw->exec(text); });
}

void Array::add(std::string_view value) {
    std::string& out = item();
    out += '"';
    for (const char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

topics::Instant instant_of(const pqxx::field& field) {
    // "2026-01-31 07:05:09.123456+00", fraction of any length or absent; the session's zone is UTC.
    const std::string_view text = view_of(field);
    const auto number = [&](std::size_t at, std::size_t size) {
        int value = 0;
        std::from_chars(text.data() + at, text.data() + at + size, value);
        return value;
    };
    if (text.size() < 19) return topics::Instant::min();  // -infinity
    const std::chrono::year_month_day date{std::chrono::year{number(0, 4)},
                                           std::chrono::month{static_cast<unsigned>(number(5, 2))},
                                           std::chrono::day{static_cast<unsigned>(number(8, 2))}};
    std::int64_t micros = 0;
    if (text.size() > 19 && text[19] == '.') {
        std::int64_t scale = 100'000;
        for (std::size_t i = 20; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
            micros += (text[i] - '0') * scale;
            scale /= 10;
        }
    }
    return topics::Instant{std::chrono::sys_days{date}} + std::chrono::hours{number(11, 2)} +
           std::chrono::minutes{number(14, 2)} + std::chrono::seconds{number(17, 2)} +
           std::chrono::microseconds{micros};
}

std::optional<topics::Instant> optional_instant_of(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return instant_of(field);
}

std::vector<std::int64_t> integers_of(const pqxx::field& field) {
    std::vector<std::int64_t> values;
    const std::string_view text = view_of(field);
    const char* at = text.data() + 1;
    const char* const end = text.data() + text.size() - 1;
    while (at < end) {
        std::int64_t value = 0;
        const auto [next, error] = std::from_chars(at, end, value);
        if (error != std::errc{}) break;
        values.push_back(value);
        at = next + 1;
    }
    return values;
}

}  // namespace klyuchnik::db
