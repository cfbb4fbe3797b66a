#pragma once

/// What every connection asks of the server, for use inside `options='...'`: a client whose host
/// has died is given up after about ten seconds, and with it the locks that it held, an advisory
/// lock that made it the leader among them. Over a Unix socket they mean nothing.
namespace klyuchnik::db {

inline constexpr const char* kGiveUpDeadClients =
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
    " -c tcp_user_timeout=11s";

}  // namespace klyuchnik::db
