#include "tests/support/cluster.hpp"

#include <cerrno>
#include <csignal>
#include <fstream>
#include <mutex>
#include <random>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

namespace klyuchnik::test {
namespace {

const std::filesystem::path kScript{KLYUCHNIK_CLUSTER_SCRIPT};
const std::filesystem::path kShared{KLYUCHNIK_SHARED_CLUSTER};
const std::filesystem::path kHandlers{KLYUCHNIK_HANDLERS};

constexpr std::chrono::seconds kStartPatience{90};

std::string value_of(const std::string& line, const std::string& name) {
    std::istringstream words{line};
    for (std::string word; words >> word;) {
        if (word.starts_with(name + "=")) return word.substr(name.size() + 1);
    }
    throw std::runtime_error{"db/cluster did not say " + name + ": " + line};
}

std::string first_line(const std::filesystem::path& file) {
    std::ifstream in{file};
    std::string line;
    std::getline(in, line);
    return line;
}

void write_line(const std::filesystem::path& file, const std::string& text) {
    std::ofstream out{file, std::ios::trunc};
    out << text << '\n';
    if (!out.flush()) throw std::runtime_error{"can not write " + file.string()};
}

void start_server(const std::filesystem::path& dir, bool fast) {
    Command command{{kScript, dir, "start"}, {}, {}};
    if (fast) command.words.push_back("--fast");
    output_of(command, kStartPatience);
}

Cluster access_to(const std::filesystem::path& dir) {
    const std::string line = output_of({{kScript, dir, "env"}, {}, {}});
    Cluster cluster;
    cluster.dir = dir;
    cluster.host = value_of(line, "PGHOST");
    cluster.owner_pass = value_of(line, "PGPASSFILE");
    cluster.passfiles = dir / "test-secrets";
    cluster.admin_password = first_line(cluster.passfiles / "admin-password");
    return cluster;
}

/// Made under another name and renamed, so that one that was interrupted is not taken for ready. It
/// is made anew when the program that migrates is newer than it.
void make_template(Cluster& cluster) {
    OwnerConnection owner{cluster, "postgres"};
    const auto marker = cluster.passfiles / "ready";
    const bool there =
        owner.number("select count(*) from pg_database where datname = $1", {kTemplate}) == 1;
    if (there && std::filesystem::exists(marker) &&
        std::filesystem::last_write_time(marker) > std::filesystem::last_write_time(kHandlers)) {
        cluster.admin_password = first_line(cluster.passfiles / "admin-password");
        return;
    }
    std::filesystem::remove(marker);
    std::filesystem::create_directories(cluster.passfiles);
    const std::string fresh = std::string{kTemplate} + "_new";
    owner.rows("drop database if exists " + fresh + " with (force)");
    owner.rows("drop database if exists " + std::string{kTemplate} + " with (force)");
    owner.rows("create database " + fresh);
    const auto run = [&](std::vector<std::string> words) {
        words.insert(words.begin(), kHandlers);
        words.insert(words.end(), {"--db", cluster.conninfo(fresh)});
        return output_of({words, cluster.owner_environment(), {}});
    };
    run({"migrate", "--log-level", "warn"});
    run({"roles", "--log-level", "warn", "--passfiles", cluster.passfiles});
    std::istringstream password{run({"add-administrator", "--log-level", "warn"})};
    std::getline(password, cluster.admin_password);
    write_line(cluster.passfiles / "admin-password", cluster.admin_password);
    owner.rows("alter database " + fresh + " rename to " + kTemplate);
    write_line(marker, "");
}

/// An advisory lock on a file, let go by whatever ends the process.
class FileLock {
 public:
    explicit FileLock(const std::filesystem::path& file) {
        std::filesystem::create_directories(file.parent_path());
        fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd_ < 0) throw std::system_error{errno, std::generic_category(), file.string()};
    }
    ~FileLock() { ::close(fd_); }
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;
    bool take(int how) {
        while (::flock(fd_, how) != 0) {
            if (errno == EWOULDBLOCK) return false;
            if (errno != EINTR) throw std::system_error{errno, std::generic_category(), "flock"};
        }
        return true;
    }

 private:
    int fd_ = -1;
};

std::filesystem::path beside(const char* what) {
    return kShared.string() + "." + what;
}
std::filesystem::path kept_marker() {
    return beside("kept");
}

/// The shared cluster as this process uses it.
class SharedCluster {
 public:
    SharedCluster() : users_{beside("users")} {
        FileLock starting{beside("starting")};
        starting.take(LOCK_EX);
        users_.take(LOCK_SH);
        start_server(kShared, true);
        cluster = access_to(kShared);
        make_template(cluster);
    }
    ~SharedCluster() {
        if (std::filesystem::exists(kept_marker())) return;
        try {
            FileLock starting{beside("starting")};
            starting.take(LOCK_EX);
            users_.take(LOCK_UN);
            if (users_.take(LOCK_EX | LOCK_NB)) output_of({{kScript, kShared, "stop"}, {}, {}});
        } catch (const std::exception&) {
            // At the end of a process nobody is left to hear it; the next start finds it running.
        }
    }
    SharedCluster(const SharedCluster&) = delete;
    SharedCluster& operator=(const SharedCluster&) = delete;
    Cluster cluster;

 private:
    FileLock users_;
};

std::string random_name() {
    std::random_device random;
    std::ostringstream name;
    name << "t_" << std::hex << ::getpid() << '_' << random();
    return name.str();
}

}  // namespace

std::vector<std::string> Cluster::owner_environment() const {
    return {"PGUSER=postgres", "PGPASSFILE=" + owner_pass.string()};
}

const Cluster& shared_cluster() {
    static SharedCluster shared;
    return shared.cluster;
}

void shared_cluster_up() {
    {
        FileLock users{beside("users")};
        write_line(kept_marker(), "");
    }
    shared_cluster();
}

void shared_cluster_down() {
    std::filesystem::remove(kept_marker());
    if (std::filesystem::exists(kShared)) output_of({{kScript, kShared, "stop"}, {}, {}});
}

// == a cluster of one's own
// ==============================================================================================

/// Stops and removes the cluster when its standard input ends, which the end of the test brings
/// about however it comes.
struct OwnCluster::Watcher {
    pid_t pid = 0;
    int pipe = -1;
};

OwnCluster::OwnCluster() : watcher_{std::make_unique<Watcher>()} {
    std::string dir = (std::filesystem::temp_directory_path() / "klyuchnik-pg.XXXXXX").string();
    if (::mkdtemp(dir.data()) == nullptr) {
        throw std::system_error{errno, std::generic_category(), "mkdtemp"};
    }
    // The server's own user must pass it; what is secret has closed folders inside.
    std::filesystem::permissions(dir, std::filesystem::perms{0755});
    cluster_.dir = std::filesystem::path{dir} / "c";

    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        throw std::system_error{errno, std::generic_category(), "pipe2"};
    }
    const std::string script = "cat >/dev/null; '" + kScript.string() + "' '" +
                               cluster_.dir.string() + "' stop >/dev/null 2>&1; rm -rf '" + dir +
                               "'";
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    if (child == 0) {
        // A session of its own: what ends the test's group must not end it.
        ::setsid();
        if (::dup2(ends[0], 0) < 0) ::_exit(126);
        // Whoever reads the test's output must not wait for this one.
        const int nothing = ::open("/dev/null", O_WRONLY);
        ::dup2(nothing, 1);
        ::dup2(nothing, 2);
        ::execl("/bin/bash", "bash", "-c", script.c_str(), nullptr);
        ::_exit(127);
    }
    ::close(ends[0]);
    watcher_->pid = child;
    watcher_->pipe = ends[1];

    start_server(cluster_.dir, false);
    cluster_ = access_to(cluster_.dir);
    make_template(cluster_);
}

OwnCluster::~OwnCluster() {
    ::close(watcher_->pipe);
    int status = 0;
    while (::waitpid(watcher_->pid, &status, 0) < 0 && errno == EINTR) {
    }
}

void OwnCluster::kill9() {
    const std::string said = output_of({{kScript, cluster_.dir, "status"}, {}, {}});
    std::istringstream words{said};
    std::string running;
    pid_t pid = 0;
    words >> running >> pid;
    if (running != "running" || pid <= 1) {
        throw std::runtime_error{"PostgreSQL was to be killed but is " + said};
    }
    ::kill(pid, SIGKILL);
    const auto proc = "/proc/" + std::to_string(pid) + "/stat";
    if (!eventually([&] {
            const std::string stat = contents_of(proc);
            return stat.empty() || stat.find(") Z ") != std::string::npos;
        })) {
        throw std::runtime_error{"PostgreSQL outlived SIGKILL"};
    }
}

void OwnCluster::kill9_backend(pid_t pid) const {
    if (pid <= 1) throw std::runtime_error{"no backend to kill"};
    ::kill(pid, SIGKILL);
}

void OwnCluster::start() {
    start_server(cluster_.dir, false);
}

// == connections and databases
// ==============================================================================================

OwnerConnection::OwnerConnection(const Cluster& cluster, const std::string& database,
                                 const std::string& role, const std::filesystem::path& passfile)
    : conninfo_{cluster.conninfo(database) +
                " connect_timeout=10 user=" + (role.empty() ? "postgres" : role) +
                " passfile=" + (role.empty() ? cluster.owner_pass : passfile).string()} {
    reconnect();
}

OwnerConnection::~OwnerConnection() {
    PQfinish(connection_);
}

void OwnerConnection::reconnect() {
    if (connection_ != nullptr) PQfinish(connection_);
    connection_ = PQconnectdb(conninfo_.c_str());
    if (PQstatus(connection_) != CONNECTION_OK) {
        throw std::runtime_error{std::string{"a test can not connect: "} +
                                 PQerrorMessage(connection_)};
    }
    PQclear(PQexec(connection_, "set client_min_messages = warning"));
}

OwnerConnection::Answer OwnerConnection::ask(const std::string& sql,
                                             const std::vector<std::string>& parameters) {
    std::vector<const char*> values;
    for (const std::string& one : parameters) values.push_back(one.c_str());
    PGresult* const result =
        parameters.empty() ? PQexec(connection_, sql.c_str())
                           : PQexecParams(connection_, sql.c_str(), static_cast<int>(values.size()),
                                          nullptr, values.data(), nullptr, nullptr, 0);
    Answer answer;
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        answer.state = state != nullptr ? state : "08006";
        answer.error = PQerrorMessage(connection_);
    }
    for (int row = 0; row < PQntuples(result); ++row) {
        std::vector<std::string> line;
        for (int column = 0; column < PQnfields(result); ++column) {
            line.emplace_back(PQgetvalue(result, row, column));
        }
        answer.rows.push_back(std::move(line));
    }
    PQclear(result);
    return answer;
}

std::vector<std::vector<std::string>> OwnerConnection::rows(
    const std::string& sql, const std::vector<std::string>& parameters) {
    Answer answer = ask(sql, parameters);
    if (!answer.state.empty()) throw std::runtime_error{sql + ": " + answer.error};
    return std::move(answer.rows);
}

std::string OwnerConnection::text(const std::string& sql,
                                  const std::vector<std::string>& parameters) {
    const auto found = rows(sql, parameters);
    return found.empty() ? std::string{} : found[0][0];
}

std::int64_t OwnerConnection::number(const std::string& sql,
                                     const std::vector<std::string>& parameters) {
    return std::stoll(text(sql, parameters));
}

std::string OwnerConnection::prepare(const std::string& name, const std::string& sql) {
    PGresult* const result = PQprepare(connection_, name.c_str(), sql.c_str(), 0, nullptr);
    const std::string error =
        PQresultStatus(result) == PGRES_COMMAND_OK ? "" : PQerrorMessage(connection_);
    PQclear(result);
    return error;
}

TestDatabase::TestDatabase(const Cluster& cluster, bool empty)
    : cluster_{cluster}, name_{random_name()} {
    OwnerConnection owner{cluster_, "postgres"};
    owner.rows("create database " + name_ + (empty ? "" : std::string{" template "} + kTemplate));
}

TestDatabase::~TestDatabase() {
    try {
        OwnerConnection owner{cluster_, "postgres"};
        owner.ask("drop database if exists " + name_ + " with (force)");
    } catch (const std::exception&) {
        // A cluster that is away takes its databases along.
    }
}

}  // namespace klyuchnik::test
