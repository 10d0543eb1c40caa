/* Private PostgreSQL and Redis servers for tests, each in a directory of its own under /tmp,
 * reached by unix socket only. Start them in main(), before the tests, and stop them there:
 * libcheck forks a process per test, and those see the same server. */
#ifndef WF_TEST_SERVERS_H
#define WF_TEST_SERVERS_H

#include <apr_time.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    char dir[64];     /* everything it writes */
    char socket[100]; /* the unix socket it listens on */
    char program[256];
    const char *owner; /* the account it runs as, when we are root */
} wf_test_server_t;

/* ---- processes ---------------------------------------------------------------------------- */

/* In a session of its own, because libcheck kills the process group of a test when that ends. */
static inline pid_t wf_test_spawn(const wf_test_server_t *server, const char *const *argv)
{
    pid_t pid = fork();

    if (pid != 0) {
        return pid;
    }
    setsid();
    if (server->owner && geteuid() == 0) {
        struct passwd *pw = getpwnam(server->owner);

        if (!pw || setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
            _exit(126);
        }
    }
    char log[96];
    snprintf(log, sizeof(log), "%s/log", server->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir(server->dir) != 0) {
        _exit(126);
    }
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

static inline int wf_test_run_program(const wf_test_server_t *server, const char *const *argv)
{
    pid_t pid = wf_test_spawn(server, argv);
    int status;

    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* The pid stands in a file, so that a test may restart the server and the others still find it. */
static inline pid_t wf_test_server_pid(const wf_test_server_t *server)
{
    char path[96], text[32] = "";
    int fd;

    snprintf(path, sizeof(path), "%s/pid", server->dir);
    fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0) {
        text[0] = '\0';
    }
    if (fd >= 0) {
        close(fd);
    }
    return (pid_t)strtol(text, NULL, 10);
}

static inline void wf_test_server_note_pid(const wf_test_server_t *server, pid_t pid)
{
    char path[96], text[32];
    int fd;

    snprintf(path, sizeof(path), "%s/pid", server->dir);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0) {
        int n = snprintf(text, sizeof(text), "%ld", (long)pid);
        if (write(fd, text, (size_t)n) != n) {
            _exit(126);
        }
        close(fd);
    }
}

static inline void wf_test_server_signal(const wf_test_server_t *server, int sig)
{
    pid_t pid = wf_test_server_pid(server);

    if (pid > 1) {
        kill(pid, sig);
    }
}

static inline size_t wf_test_count_threads(pid_t pid)
{
    char pattern[64];
    glob_t found;
    size_t n;

    snprintf(pattern, sizeof(pattern), "/proc/%ld/task/*", (long)pid);
    n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return n;
}

/* A zombie counts as gone, because its parent may be another process of the test program; but not
 * while it has threads, which hold its sockets open. */
static inline int wf_test_is_running(pid_t pid)
{
    char path[64], text[256] = "";
    const char *after_name;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    f = fopen(path, "r");
    if (!f) {
        return 0;
    }
    if (!fgets(text, sizeof(text), f)) {
        text[0] = '\0';
    }
    fclose(f);
    after_name = strrchr(text, ')');
    return after_name && (strncmp(after_name, ") Z", 3) != 0 || wf_test_count_threads(pid) > 1);
}

/* Sends `sig` and waits until the process is gone; it may be our child or not. */
static inline void wf_test_server_stop(const wf_test_server_t *server, int sig)
{
    pid_t pid = wf_test_server_pid(server);
    int i;

    if (pid <= 1) {
        return;
    }
    kill(pid, SIGCONT);
    kill(pid, sig);
    for (i = 0; i < 1000 && wf_test_is_running(pid); i++) {
        apr_sleep(10000);
    }
    waitpid(pid, NULL, WNOHANG);
}

static inline int wf_test_socket_answers(const wf_test_server_t *server)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), ok;

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", server->socket);
    ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static inline int wf_test_make_dir(wf_test_server_t *server, const char *pattern)
{
    snprintf(server->dir, sizeof(server->dir), "%s", pattern);
    if (!mkdtemp(server->dir)) {
        return 0;
    }
    if (server->owner && geteuid() == 0) {
        struct passwd *pw = getpwnam(server->owner);
        return pw && chown(server->dir, pw->pw_uid, pw->pw_gid) == 0;
    }
    return 1;
}

static inline void wf_test_remove_dir(const wf_test_server_t *server)
{
    static const char rm[] = "/bin/rm";
    pid_t pid = fork();

    if (pid == 0) {
        execl(rm, rm, "-rf", server->dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

/* ---- skipping ----------------------------------------------------------------------------- */

/* A missing server skips the whole program, unless WF_TEST_REQUIRE names it (CI): then it fails. */
static inline int wf_test_skip(const char *name, const char *reason)
{
    const char *required = getenv("WF_TEST_REQUIRE");

    if (required && strstr(required, name)) {
        printf("1..1\nnot ok 1 - %s is required, but %s\n", name, reason);
        return EXIT_FAILURE;
    }
    printf("1..0 # SKIP %s\n", reason);
    return EXIT_SUCCESS;
}

static inline int wf_test_find_program(char *out, size_t size, const char *pattern)
{
    glob_t found;
    int ok = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0;

    out[0] = '\0';
    if (ok) {
        /* The last is the newest version. */
        snprintf(out, size, "%s", found.gl_pathv[found.gl_pathc - 1]);
    }
    globfree(&found);
    return ok;
}

/* ---- PostgreSQL --------------------------------------------------------------------------- */

/* Restarts it after wf_test_server_stop, too. */
static inline int wf_test_pg_launch(const wf_test_server_t *server)
{
    char data[96], sockets[128];
    const char *argv[] = {server->program,
                          "-D",
                          data,
                          "-c",
                          sockets,
                          "-c",
                          "listen_addresses=",
                          "-c",
                          "fsync=off",
                          "-c",
                          "shared_buffers=16MB",
                          "-c",
                          "max_connections=20",
                          "-c",
                          "log_min_messages=fatal",
                          NULL};
    int i;

    snprintf(data, sizeof(data), "%s/data", server->dir);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", server->dir);
    wf_test_server_note_pid(server, wf_test_spawn(server, argv));
    /* The socket answers before the server does: the tests' own connects then say "starting up", so
     * wait for the word in its pid file. */
    for (i = 0; i < 1000; i++) {
        char path[128], text[1024] = "";
        FILE *f;

        snprintf(path, sizeof(path), "%s/postmaster.pid", data);
        f = fopen(path, "r");
        if (f) {
            size_t n = fread(text, 1, sizeof(text) - 1, f);
            text[n] = '\0';
            fclose(f);
        }
        if (strstr(text, "ready") && wf_test_socket_answers(server)) {
            return 1;
        }
        apr_sleep(20000);
    }
    return 0;
}

/* NULL, or why there is none. The superuser is "postgres", without password. */
static inline const char *wf_test_pg_start(wf_test_server_t *server)
{
    char initdb[256], data[96];
    const char *argv[] = {initdb,  "-D", data,   "-U",         "postgres",  "-A",
                          "trust", "-E", "UTF8", "--locale=C", "--no-sync", NULL};

    memset(server, 0, sizeof(*server));
    server->owner = "postgres";
    if (!wf_test_find_program(server->program, sizeof(server->program),
                              "/usr/lib/postgresql/*/bin/postgres") ||
        !wf_test_find_program(initdb, sizeof(initdb), "/usr/lib/postgresql/*/bin/initdb")) {
        return "PostgreSQL's server programs are not in /usr/lib/postgresql";
    }
    if (!wf_test_make_dir(server, "/tmp/wf-pg-XXXXXX")) {
        return "no directory for PostgreSQL";
    }
    snprintf(data, sizeof(data), "%s/data", server->dir);
    snprintf(server->socket, sizeof(server->socket), "%s/.s.PGSQL.5432", server->dir);
    if (!wf_test_run_program(server, argv)) {
        return "initdb failed";
    }
    return wf_test_pg_launch(server) ? NULL : "PostgreSQL did not start";
}

static inline void wf_test_pg_stop(wf_test_server_t *server)
{
    wf_test_server_stop(server, SIGINT);
    wf_test_remove_dir(server);
}

/* ---- Redis -------------------------------------------------------------------------------- */

static inline int wf_test_redis_launch(const wf_test_server_t *server)
{
    const char *argv[] = {server->program, "--port", "0",     "--unixsocket", server->socket,
                          "--save",        "",       "--dir", server->dir,    NULL};
    int i;

    wf_test_server_note_pid(server, wf_test_spawn(server, argv));
    for (i = 0; i < 500; i++) {
        if (wf_test_socket_answers(server)) {
            return 1;
        }
        apr_sleep(20000);
    }
    return 0;
}

static inline const char *wf_test_redis_start(wf_test_server_t *server)
{
    memset(server, 0, sizeof(*server));
    if (!wf_test_find_program(server->program, sizeof(server->program), "/usr/bin/redis-server") &&
        !wf_test_find_program(server->program, sizeof(server->program),
                              "/usr/local/bin/redis-server")) {
        return "redis-server is not installed";
    }
    if (!wf_test_make_dir(server, "/tmp/wf-redis-XXXXXX")) {
        return "no directory for Redis";
    }
    snprintf(server->socket, sizeof(server->socket), "%s/redis.sock", server->dir);
    return wf_test_redis_launch(server) ? NULL : "Redis did not start";
}

static inline void wf_test_redis_stop(wf_test_server_t *server)
{
    wf_test_server_stop(server, SIGTERM);
    wf_test_remove_dir(server);
}

#endif
