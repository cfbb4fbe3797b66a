#include "db/access/listener.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include "db/access/session_options.hpp"
#include "db/sql.hpp"

namespace klyuchnik::db {

namespace {

const Query& listen_on(Channel channel) {
    switch (channel) {
        case Channel::log:
            return sql::log_listen;
        case Channel::commands:
            return sql::devices_listen_commands;
        case Channel::letters:
            return sql::runtime_listen_letters;
        case Channel::guard:
            return sql::devices_listen_guard;
        case Channel::placed:
            return sql::log_listen_placed;
    }
    return sql::log_listen;
}

}  // namespace

struct Listener::Impl {
    std::string conninfo;
    const Query* listen = nullptr;
    PGconn* connection = nullptr;

    void close() {
        PQfinish(connection);
        connection = nullptr;
    }
    bool open() {
        connection = PQconnectdb(conninfo.c_str());
        if (PQstatus(connection) != CONNECTION_OK) {
            close();
            return false;
        }
        PGresult* const result = PQexec(connection, listen->text);
        const bool listening = PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
        if (!listening) close();
        return listening;
    }
};

Listener::Listener(const ConnectionSettings& settings, Channel channel)
    : impl_{std::make_unique<Impl>()} {
    impl_->listen = &listen_on(channel);
    impl_->conninfo = settings.conninfo +
                      " connect_timeout=3 keepalives=1 keepalives_idle=30 keepalives_interval=10"
                      " keepalives_count=3 options='" +
                      std::string{kGiveUpDeadClients} + "'";
    if (!settings.role.empty()) impl_->conninfo += " user=" + settings.role;
    if (!settings.program.empty()) impl_->conninfo += " application_name=" + settings.program;
}

Listener::~Listener() {
    impl_->close();
}

Listener::Heard Listener::wait(std::chrono::milliseconds timeout, int wake_fd) {
    if (!impl_->connection) return impl_->open() ? Heard::reconnect : Heard::lost;
    const auto drain = [&] {
        bool any = false;
        while (PGnotify* const notice = PQnotifies(impl_->connection)) {
            any = true;
            PQfreemem(notice);
        }
        return any;
    };
    if (drain()) return Heard::notice;
    pollfd waiting[2] = {{PQsocket(impl_->connection), POLLIN, 0}, {wake_fd, POLLIN, 0}};
    const int ready = ::poll(waiting, wake_fd >= 0 ? 2 : 1, static_cast<int>(timeout.count()));
    if (ready <= 0 || waiting[0].revents == 0) return Heard::nothing;
    if (PQconsumeInput(impl_->connection) == 0 || PQstatus(impl_->connection) != CONNECTION_OK) {
        impl_->close();
        return Heard::lost;
    }
    return drain() ? Heard::notice : Heard::nothing;
}

}  // namespace klyuchnik::db
