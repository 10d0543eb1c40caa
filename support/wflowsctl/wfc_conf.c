/* The configuration: the directives that httpd reads too, so that an installation is described
 * once. Lines of other modules are passed over; so are sections (<IfModule …> and the like do not
 * hide a line). */
#include "wfc.h"

#include <apr_file_io.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONF_FILE_MAX (1024 * 1024)
#define INCLUDE_DEPTH_MAX 8
#define PATIENCE apr_time_from_sec(5)
#define STATEMENT_TIMEOUT apr_time_from_sec(60)
/* A migration may rewrite a table: it has no time limit of its own, only lock_timeout. */
#define MIGRATION_TIMEOUT apr_time_from_sec(24 * 3600)

/* ---- reading --------------------------------------------------------------------------------- */

static const struct {
    const char *directive;
    size_t offset;
} directives[] = {
    {"WflowsDB", offsetof(wfc_conf_t, db)},
    {"WflowsDBOwner", offsetof(wfc_conf_t, db_owner)},
    {"WflowsRedis", offsetof(wfc_conf_t, redis)},
    {"WflowsRedisPrefix", offsetof(wfc_conf_t, redis_prefix)},
    {"WflowsTenantMaxCompanies", offsetof(wfc_conf_t, max_companies)},
    {"WflowsTenantMaxAccounts", offsetof(wfc_conf_t, max_accounts)},
    {"WflowsTenantDefaultPlan", offsetof(wfc_conf_t, default_plan)},
    {"WflowsFlowMediaDir", offsetof(wfc_conf_t, media_dir)},
    {"WflowsFlowGraphURL", offsetof(wfc_conf_t, graph_url)},
};

static wf_status_t bad_line(wfc_t *c, const char *where, const char *what)
{
    c->exit_code = WFC_EXIT_CONFIG;
    return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4030) "%s: %s", where, what);
}

static wf_status_t read_conf_file(wfc_t *c, const char *path, int depth);

/* A relative name is meant beside the file that includes it. */
static wf_status_t include(wfc_t *c, const char *from, const char *name, int depth)
{
    const char *slash = strrchr(from, '/');

    if (strpbrk(name, "*?[")) {
        c->conf.pattern_skipped = name;
        return WF_OK;
    }
    if (name[0] != '/' && slash) {
        name = apr_pstrcat(c->pool, apr_pstrmemdup(c->pool, from, (apr_size_t)(slash - from + 1)),
                           name, NULL);
    }
    return read_conf_file(c, name, depth + 1);
}

static wf_status_t set_jwt_key(wfc_t *c, char **words, int count, const char *where)
{
    if (count != 3) {
        return bad_line(c, where,
                        "WflowsAuthJwtKey takes a kid and a source, e.g. WflowsAuthJwtKey j1 "
                        "file:/etc/wflows/jwt-j1");
    }
    if (!c->conf.jwt_key.id) { /* the first one signs */
        c->conf.jwt_key = (wfc_master_source_t){words[1], words[2], where};
    }
    return WF_OK;
}

static wf_status_t add_master_key(wfc_t *c, const char *id, const char *source, const char *where)
{
    wfc_master_source_t *key = apr_array_push(c->conf.master_keys);

    key->id = id;
    key->source = source;
    key->where = where;
    return WF_OK;
}

static int is_ours(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
        if (strcasecmp(name, directives[i].directive) == 0) {
            return 1;
        }
    }
    return strcasecmp(name, "WflowsKey") == 0 || strcasecmp(name, "WflowsAuthJwtKey") == 0;
}

/* `words`: the directive and its arguments. */
static wf_status_t read_directive(wfc_t *c, char **words, int count, const char *where)
{
    size_t i;
    int k;

    for (k = 1; k < count; k++) {
        if (strstr(words[k], "${")) {
            return bad_line(c, where,
                            "${…} is known to httpd only; write the value, or give it as an option "
                            "(--db, --redis, --master-key)");
        }
    }
    if (strcasecmp(words[0], "WflowsAuthJwtKey") == 0) {
        return set_jwt_key(c, words, count, where);
    }
    if (strcasecmp(words[0], "WflowsKey") == 0) {
        return count == 3 ? add_master_key(c, words[1], words[2], where)
                          : bad_line(c, where,
                                     "WflowsKey takes an id and a source, e.g. WflowsKey k1 "
                                     "file:/etc/wflows/k1.key");
    }
    for (i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
        if (strcasecmp(words[0], directives[i].directive) == 0) {
            if (count != 2) {
                return bad_line(c, where, apr_pstrcat(c->pool, words[0], " takes one value", NULL));
            }
            *(const char **)((char *)&c->conf + directives[i].offset) = words[1];
        }
    }
    return WF_OK;
}

static wf_status_t read_line(wfc_t *c, const char *line, const char *path, int number, int depth)
{
    const char *where = apr_psprintf(c->pool, "%s:%d", path, number);
    char **words = NULL;
    const char *name;
    int count = 0, is_include;

    while (*line == ' ' || *line == '\t') {
        line++;
    }
    if (*line == '\0' || *line == '#' || *line == '<') {
        return WF_OK;
    }
    name = apr_pstrmemdup(c->pool, line, strcspn(line, " \t"));
    is_include = strcasecmp(name, "Include") == 0 || strcasecmp(name, "IncludeOptional") == 0;
    if (!is_include && !is_ours(name)) {
        return WF_OK;
    }
    if (apr_tokenize_to_argv(line, &words, c->pool) != APR_SUCCESS) {
        return bad_line(c, where, "the quotes do not match");
    }
    while (words[count]) {
        count++;
    }
    if (is_include) {
        return count == 2 ? include(c, path, words[1], depth) : WF_OK;
    }
    return read_directive(c, words, count, where);
}

static wf_status_t read_conf_file(wfc_t *c, const char *path, int depth)
{
    const char *data, *next;
    size_t len;
    int number = 0, first;
    wf_status_t st;

    if (depth > INCLUDE_DEPTH_MAX) {
        return bad_line(c, path, "Include goes too deep; does it include itself?");
    }
    c->exit_code = WFC_EXIT_CONFIG;
    c->hint = "Name the configuration with --config FILE or WFLOWSCTL_CONFIG.";
    st = wfc_read_file(c, &data, &len, path, CONF_FILE_MAX);
    if (st != WF_OK) {
        return st;
    }
    c->exit_code = WFC_EXIT_OK;
    c->hint = NULL;
    while (st == WF_OK && data && *data) {
        const char *line = "";

        /* A backslash at the end of a line joins it to the next, as in httpd. */
        first = ++number;
        for (;;) {
            next = strchr(data, '\n');
            size_t n = next ? (size_t)(next - data) : strlen(data);

            n -= n > 0 && data[n - 1] == '\r';
            line = apr_pstrcat(c->pool, line, apr_pstrmemdup(c->pool, data, n), NULL);
            data = next ? next + 1 : NULL;
            n = strlen(line);
            if (n == 0 || line[n - 1] != '\\' || !data) {
                break;
            }
            line = apr_pstrmemdup(c->pool, line, n - 1);
            number++;
        }
        st = read_line(c, line, path, first, depth);
    }
    return st;
}

/* ---- the command line goes first ------------------------------------------------------------- */

typedef struct {
    wfc_t *c;
    wf_status_t status;
} key_option_t;

static int add_key_option(void *baton, const char *option, const char *value)
{
    key_option_t *k = baton;
    const char *equals = strchr(value, '=');

    if (!equals || wf_source_check(k->c->pool, equals + 1, 0)) {
        k->status =
            wfc_usage(k->c, "--%s takes ID=SOURCE, e.g. k1=file:/etc/wflows/k1.key", option);
        return 0;
    }
    k->status =
        add_master_key(k->c, apr_pstrmemdup(k->c->pool, value, (apr_size_t)(equals - value)),
                       equals + 1, "--master-key");
    return 1;
}

static wf_status_t apply_options(wfc_t *c)
{
    key_option_t k = {c, WF_OK};

    c->conf.db = wfc_opt(c, "db") ? wfc_opt(c, "db") : c->conf.db;
    c->conf.db_owner = wfc_opt(c, "db-owner") ? wfc_opt(c, "db-owner") : c->conf.db_owner;
    c->conf.redis = wfc_opt(c, "redis") ? wfc_opt(c, "redis") : c->conf.redis;
    if (wfc_opt(c, "master-key")) {
        apr_array_clear(c->conf.master_keys);
        apr_table_do(add_key_option, &k, c->options, "master-key", NULL);
    }
    return k.status;
}

static int exists(apr_pool_t *pool, const char *path)
{
    apr_finfo_t info;

    return apr_stat(&info, path, APR_FINFO_TYPE, pool) == APR_SUCCESS;
}

wf_status_t wfc_conf_read(wfc_t *c)
{
    const char *path = wfc_opt(c, "config");
    wf_status_t st = WF_OK;

    if (!path) {
        path = getenv("WFLOWSCTL_CONFIG");
    }
    if (!path && exists(c->pool, WFC_CONF)) {
        path = WFC_CONF;
    }
    if (path) {
        c->conf.file = path;
        st = read_conf_file(c, path, 0);
    }
    return st == WF_OK ? apply_options(c) : st;
}

/* ---- what it holds --------------------------------------------------------------------------- */

static wf_status_t missing(wfc_t *c, const char *directive, const char *option, const char *example)
{
    c->exit_code = WFC_EXIT_CONFIG;
    c->hint = apr_psprintf(c->pool, "Add '%s %s', or give --%s.%s%s%s", directive, example, option,
                           c->conf.pattern_skipped ? " (Include " : "",
                           c->conf.pattern_skipped ? c->conf.pattern_skipped : "",
                           c->conf.pattern_skipped ? " was not followed: it is a pattern.)" : "");
    return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4031) "there is no %s in %s", directive,
                          c->conf.file ? c->conf.file
                                       : "the configuration (" WFC_CONF " does not exist)");
}

wf_status_t wfc_conf_source(wfc_t *c, const char **text, const char *source, const char *what)
{
    wf_status_t st;

    *text = NULL;
    if (!source) {
        if (strcmp(what, "WflowsDBOwner") == 0) {
            return missing(c, what, "db-owner",
                           "\"host=/var/run/postgresql dbname=wflows user=wflows\"");
        }
        return missing(c, what, "db", "file:/etc/wflows/db");
    }
    c->exit_code = WFC_EXIT_CONFIG;
    c->hint = apr_psprintf(c->pool, "This is the source of %s.", what);
    if (wfc_has_password(source)) {
        return wf_fail_public(
            c->ctx, WF_EDENIED,
            WFLOGNO(
                4032) "a password does not stand in the configuration itself: "
                      "put the connection string into a file of mode 0600 and write %s file:/path",
            what);
    }
    st = wfc_source_read(c, text, what, source, 1);
    if (st == WF_OK) {
        c->exit_code = WFC_EXIT_OK;
        c->hint = NULL;
    }
    return st;
}

wf_status_t wfc_conf_media_dir(wfc_t *c, const char **dir)
{
    *dir = wfc_opt(c, "media-dir");
    if (*dir) {
        return WF_OK;
    }
    if (!c->conf.media_dir) {
        return missing(c, "WflowsFlowMediaDir", "media-dir", "/var/lib/wflows/media");
    }
    if (c->conf.media_dir[0] != '/') {
        c->exit_code = WFC_EXIT_CONFIG;
        c->hint = "Give the whole path with --media-dir.";
        return wf_fail_public(c->ctx, WF_EINVALID,
                              WFLOGNO(4092) "WflowsFlowMediaDir %s is relative to httpd's "
                                            "ServerRoot, which is not known here",
                              c->conf.media_dir);
    }
    *dir = c->conf.media_dir;
    return WF_OK;
}

wf_status_t wfc_jwt_key(wfc_t *c, wf_jwt_key_t **out)
{
    const wfc_master_source_t *s = &c->conf.jwt_key;
    const char *text;
    wf_status_t st;

    *out = NULL;
    if (!s->id) {
        c->exit_code = WFC_EXIT_CONFIG;
        c->hint = "Add 'WflowsAuthJwtKey j1 file:/etc/wflows/jwt-j1'; its file: openssl rand -base64 32";
        return wf_fail_public(c->ctx, WF_EINVALID,
                              WFLOGNO(4101) "there is no WflowsAuthJwtKey in %s",
                              c->conf.file ? c->conf.file : "the configuration");
    }
    c->exit_code = WFC_EXIT_CONFIG;
    c->hint = apr_psprintf(c->pool, "This is the source of key '%s' (%s).", s->id, s->where);
    st = wfc_source_read(c, &text, "WflowsAuthJwtKey", s->source, 0);
    if (st == WF_OK) {
        st = wf_jwt_key_hmac(c->ctx, out, s->id, text, strlen(text));
    }
    if (st == WF_OK) {
        c->exit_code = WFC_EXIT_OK;
        c->hint = NULL;
    }
    return st;
}

wf_status_t wfc_ring_open(wfc_t *c, const wf_keyring_t **out)
{
    apr_array_header_t *sources = c->conf.master_keys;
    wf_master_key_t *keys;
    wf_keyring_t *ring = NULL;
    wf_status_t st;
    int i;

    *out = NULL;
    if (sources->nelts == 0) {
        return missing(c, "WflowsKey", "master-key", "k1 file:/etc/wflows/k1.key");
    }
    keys = wf_secret_alloc(c->pool, sizeof(*keys) * (size_t)sources->nelts);
    for (i = 0; i < sources->nelts; i++) {
        const wfc_master_source_t *s = &APR_ARRAY_IDX(sources, i, wfc_master_source_t);
        const char *text = NULL;

        c->exit_code = WFC_EXIT_CONFIG;
        c->hint =
            apr_psprintf(c->pool, "This is the source of master key '%s' (%s).", s->id, s->where);
        st = wfc_source_read(c, &text, "WflowsKey", s->source, 0);
        if (st == WF_OK) {
            st = wf_master_key_parse(c->ctx, &keys[i], s->id, text);
        }
        if (st != WF_OK) {
            return st;
        }
    }
    c->hint = NULL;
    st = wf_keyring_make(c->ctx, &ring, keys, sources->nelts);
    if (st == WF_OK) {
        c->exit_code = WFC_EXIT_OK;
        *out = ring;
    }
    return st;
}

static wf_status_t limit(wfc_t *c, int *out, const char *text, const char *directive)
{
    int64_t n = *out;

    if (text && !wf_parse_int(&n, text, 0, INT32_MAX)) {
        return bad_line(c, directive, apr_psprintf(c->pool, "'%s' is no whole number", text));
    }
    *out = (int)n;
    return WF_OK;
}

wf_status_t wfc_runtime_open(wfc_t *c)
{
    wf_conf_t conf;
    wf_runtime_opts_t opts = {.ring = c->ring};
    wf_status_t st;

    wf_conf_defaults(&conf);
    /* A person waits more patiently than a request. */
    conf.db_connect_timeout = conf.db_acquire_timeout = PATIENCE;
    conf.db_statement_timeout = STATEMENT_TIMEOUT;
    conf.redis_connect_timeout = conf.redis_command_timeout = PATIENCE;
    st = wfc_conf_source(c, &conf.db_conninfo, c->conf.db, "WflowsDB");
    if (st == WF_OK && c->conf.redis) {
        st = wfc_conf_source(c, &conf.redis_url, c->conf.redis, "WflowsRedis");
    }
    if (st == WF_OK) {
        st = limit(c, &conf.max_companies, c->conf.max_companies, "WflowsTenantMaxCompanies");
    }
    if (st == WF_OK) {
        st = limit(c, &conf.max_accounts, c->conf.max_accounts, "WflowsTenantMaxAccounts");
    }
    if (st != WF_OK) {
        return st;
    }
    if (c->conf.redis_prefix) {
        conf.redis_prefix = c->conf.redis_prefix;
    }
    if (c->conf.default_plan) {
        conf.default_plan = c->conf.default_plan;
    }
    if (c->conf.graph_url) {
        conf.service.graph_url = c->conf.graph_url;
    }
    st = wf_runtime_make(c->ctx, &c->runtime, c->pool, &conf, &opts);
    if (st == WF_OK) {
        c->store = &c->runtime->store;
    }
    return st;
}

const char *wfc_schema_folder(const wfc_t *c)
{
    const char *folder = wfc_opt(c, "schema") ? wfc_opt(c, "schema") : getenv("WFLOWS_SCHEMA");

    return folder ? folder : WF_DATADIR "/schema";
}

wf_status_t wfc_owner_open(wfc_t *c, wf_pg_t **pg)
{
    wf_pg_conf_t conf;
    wf_status_t st;

    *pg = NULL;
    memset(&conf, 0, sizeof(conf));
    st = wfc_conf_source(c, &conf.conninfo, c->conf.db_owner, "WflowsDBOwner");
    if (st != WF_OK) {
        return st;
    }
    conf.connect_timeout = PATIENCE;
    conf.statement_timeout = MIGRATION_TIMEOUT;
    conf.pool.max = 1;
    conf.pool.name = "PostgreSQL";
    conf.pool.acquire_timeout = PATIENCE;
    return wf_pg_make(c->ctx, pg, c->pool, &conf);
}
