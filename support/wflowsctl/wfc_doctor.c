/* wflowsctl doctor: looks at everything an installation stands on, and says of each fault how to
 * mend it. */
#include "wfc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_DEFAULT 200
#define SAMPLE_PAGE 100
#define SKEW_WARNING apr_time_from_sec(1)
#define SKEW_ERROR apr_time_from_sec(60)
#define POSTGRES_MIN 140000
#define REDIS_MIN_MAJOR 6

static const wfc_option_t options[] = {
    {"sample", 0, WFC_TEXT, 0, "N", "unseal one value of so many companies (200); 0: of all"},
    {"schema", 0, WFC_TEXT, 0, "DIR", "the migrations to compare with (as for migrate)"},
    WFC_OPTION_END};

typedef enum { FINDING_OK, FINDING_WARNING, FINDING_ERROR } finding_t;

typedef struct {
    wfc_t *c;
    wf_json_t *checks;
    int errors, warnings;
    int have_db; /* it answers: what needs it can be checked */
} doctor_t;

/* ---- findings -------------------------------------------------------------------------------- */

static void say(doctor_t *d, finding_t level, const char *check, const char *message,
                const char *mend)
{
    static const char *const names[] = {"ok", "warning", "error"};
    wf_json_t *row = wf_json_object_make(d->c->pool);

    d->warnings += level == FINDING_WARNING;
    d->errors += level == FINDING_ERROR;
    wf_json_set_str(row, "check", check);
    wf_json_set_str(row, "status", names[level]);
    wf_json_set_str(row, "message", message);
    wf_json_set_str(row, "mend", mend);
    wf_json_push(d->checks, row);
    if (!d->c->json) {
        printf("%-8s %-16s %s\n", names[level], check,
               wfc_cell(d->c->pool, wf_json_str_make(d->c->pool, message)));
        if (mend) {
            printf("%-25s -> %s\n", "", mend);
        }
        fflush(stdout);
    }
}

/* What the library just failed at; the failure is handled by being said. */
static const char *failure(doctor_t *d)
{
    const wf_err_t *err = &d->c->ctx->err;
    const char *text = err->public_text ? err->public_text
                       : err->detail    ? err->detail
                                        : "no reason given";

    text = apr_pstrdup(d->c->pool, text);
    wf_ctx_clear(d->c->ctx);
    d->c->hint = NULL;
    d->c->exit_code = WFC_EXIT_OK;
    return text;
}

/* ---- configuration --------------------------------------------------------------------------- */

static int check_configuration(doctor_t *d)
{
    wfc_t *c = d->c;

    if (wfc_conf_read(c) != WF_OK) {
        say(d, FINDING_ERROR, "configuration", failure(d),
            "name a readable file with --config FILE");
        return 0;
    }
    if (!c->conf.db) {
        say(d, FINDING_ERROR, "configuration",
            apr_pstrcat(c->pool, "no WflowsDB in ", c->conf.file ? c->conf.file : "any file", NULL),
            "add WflowsDB file:/path, or give --db SOURCE");
        return 0;
    }
    say(d, FINDING_OK, "configuration", c->conf.file ? c->conf.file : "from the command line",
        NULL);
    if (c->conf.pattern_skipped) {
        say(d, FINDING_WARNING, "configuration",
            apr_pstrcat(c->pool, "Include ", c->conf.pattern_skipped,
                        " was not followed: it is a pattern", NULL),
            "name the file that holds the Wflows directives");
    }
    return 1;
}

static void check_master_keys(doctor_t *d)
{
    wfc_t *c = d->c;

    if (wfc_ring_open(c, &c->ring) != WF_OK) {
        const char *hint = c->hint ? apr_pstrdup(c->pool, c->hint) : NULL;
        const char *text = failure(d);

        say(d, FINDING_ERROR, "master keys",
            hint ? apr_pstrcat(c->pool, text, ". ", hint, NULL) : text,
            "the file must hold what 'wflowsctl master-key new' made, with mode 0600 or 0400");
        return;
    }
    say(d, FINDING_OK, "master keys",
        apr_psprintf(c->pool, "%d readable, not open to others; '%s' is the primary",
                     c->conf.master_keys->nelts, wf_keyring_primary_id(c->ring)),
        NULL);
}

/* ---- PostgreSQL ------------------------------------------------------------------------------ */

static void check_role(doctor_t *d, const wf_json_t *r)
{
    wfc_t *c = d->c;
    const char *role = wf_json_get_str(r, "role", "?"), *fault = NULL;

    if (wf_json_get_bool(r, "superuser", 1)) {
        fault = "is a superuser";
    } else if (wf_json_get_bool(r, "bypassrls", 1)) {
        fault = "has BYPASSRLS";
    } else if (wf_json_get_bool(r, "owner", 1)) {
        fault = "owns schema wflows";
    } else if (wf_json_get_bool(r, "platform_inherited", 0)) {
        fault = "has the rights of wflows_platform without entering it";
    }
    if (fault) {
        say(d, FINDING_ERROR, "role",
            apr_psprintf(c->pool, "'%s' %s: the wall between companies does not hold for it", role,
                         fault),
            "connect WflowsDB as wflows_app (NOSUPERUSER NOBYPASSRLS NOINHERIT, owner of nothing)");
    } else {
        say(d, FINDING_OK, "role",
            apr_psprintf(c->pool, "'%s': no superuser, no BYPASSRLS, no owner", role), NULL);
    }
}

static void check_walls(doctor_t *d, const wf_json_t *r)
{
    const wf_json_t *open = wf_json_get(r, "unprotected");
    int64_t tables = wf_json_get_int(r, "tenant_tables", 0);

    if (tables == 0) {
        return;
    }
    if (wf_json_len(open) > 0) {
        say(d, FINDING_ERROR, "row security",
            apr_pstrcat(d->c->pool, "not forced on: ", wf_json_text(d->c->pool, open, NULL), NULL),
            "as the owner: CALL wflows.protect('wflows.TABLE') for each");
    } else {
        say(d, FINDING_OK, "row security",
            apr_psprintf(d->c->pool, "forced on all %" APR_INT64_T_FMT " tenant tables", tables),
            NULL);
    }
}

static void check_schema(doctor_t *d)
{
    wfc_t *c = d->c;
    int version = 0;

    if (wf_schema_version(c->ctx, &version, c->store) != WF_OK) {
        say(d, FINDING_ERROR, "schema", failure(d), "run 'wflowsctl migrate'");
    } else if (version < WF_SCHEMA_VERSION_NEEDED) {
        say(d, FINDING_ERROR, "schema",
            apr_psprintf(c->pool, "version %d, this build needs %d", version,
                         WF_SCHEMA_VERSION_NEEDED),
            "run 'wflowsctl migrate'");
    } else {
        say(d, FINDING_OK, "schema",
            apr_psprintf(c->pool, "version %d, this build needs %d", version,
                         WF_SCHEMA_VERSION_NEEDED),
            NULL);
    }
}

/* Only where the owner's connection is configured: it alone sees what was applied, and when. */
static void check_migrations(doctor_t *d)
{
    wfc_t *c = d->c;
    wf_migrate_report_t report;
    wf_pg_t *pg = NULL;

    if (!c->conf.db_owner) {
        return;
    }
    memset(&report, 0, sizeof(report));
    if (wfc_owner_open(c, &pg) != WF_OK ||
        wf_migrate_status(c->ctx, &report, pg, wfc_schema_folder(c)) != WF_OK) {
        say(d, FINDING_ERROR, "migrations", failure(d), "check WflowsDBOwner, and --schema DIR");
    } else if (report.changed) {
        say(d, FINDING_ERROR, "migrations",
            apr_pstrcat(c->pool, report.changed, " was changed after it had been applied", NULL),
            "restore the file; a change of the schema is a new file");
    } else if (report.pending) {
        say(d, FINDING_WARNING, "migrations", apr_psprintf(c->pool, "%d to apply", report.pending),
            "run 'wflowsctl migrate'");
    } else {
        say(d, FINDING_OK, "migrations", "all applied, none changed since", NULL);
    }
}

static void check_skew(doctor_t *d, const char *server, apr_time_t theirs, apr_time_t before,
                       apr_time_t after)
{
    apr_time_t ours = before + (after - before) / 2;
    apr_interval_time_t skew = theirs > ours ? theirs - ours : ours - theirs;
    const char *text = apr_psprintf(d->c->pool, "%s and this host are %.3f s apart", server,
                                    (double)skew / (double)APR_USEC_PER_SEC);

    /* What the round trip took cannot be told from skew. */
    skew = skew > after - before ? skew - (after - before) : 0;
    if (skew < SKEW_WARNING) {
        say(d, FINDING_OK, "clock", text, NULL);
    } else {
        say(d, skew < SKEW_ERROR ? FINDING_WARNING : FINDING_ERROR, "clock", text,
            "run an NTP client (chrony, systemd-timesyncd) on both");
    }
}

static void check_postgres(doctor_t *d)
{
    wfc_t *c = d->c;
    wf_json_t *r = NULL;
    apr_time_t before = wf_now(c->ctx), after;
    const char *version;

    /* The first call opens the connection; the second one is timed. */
    if (wf_database_report(c->ctx, &r, c->store) == WF_OK) {
        before = wf_now(c->ctx);
    } else {
        say(d, FINDING_ERROR, "PostgreSQL", failure(d),
            "is it running, does the connection in WflowsDB name it, does pg_hba.conf let the role "
            "in?");
        return;
    }
    if (wf_database_report(c->ctx, &r, c->store) != WF_OK) {
        say(d, FINDING_ERROR, "PostgreSQL", failure(d), "look into its log");
        return;
    }
    after = wf_now(c->ctx);
    d->have_db = 1;
    version = wf_json_get_str(r, "server_version", "?");
    if (wf_json_get_int(r, "server_version_num", 0) < POSTGRES_MIN) {
        say(d, FINDING_ERROR, "PostgreSQL", apr_pstrcat(c->pool, "version ", version, NULL),
            "install PostgreSQL 14 or newer");
    } else {
        say(d, FINDING_OK, "PostgreSQL", apr_pstrcat(c->pool, "answers, version ", version, NULL),
            NULL);
    }
    check_role(d, r);
    check_schema(d);
    check_migrations(d);
    check_walls(d, r);
    check_skew(d, "PostgreSQL", wf_json_get_int(r, "now_us", 0), before, after);
}

/* ---- Redis ----------------------------------------------------------------------------------- */

/* "name:value" of INFO, or NULL. */
static const char *info_value(apr_pool_t *pool, const char *info, const char *name)
{
    const char *at = info ? strstr(info, name) : NULL;
    size_t len = strlen(name);

    if (!at || at[len] != ':') {
        return NULL;
    }
    return apr_pstrmemdup(pool, at + len + 1, strcspn(at + len + 1, "\r\n"));
}

static void check_redis_memory(doctor_t *d, const char *info)
{
    wfc_t *c = d->c;
    const char *max = info_value(c->pool, info, "maxmemory");
    const char *policy = info_value(c->pool, info, "maxmemory_policy");
    const char *text =
        apr_psprintf(c->pool, "maxmemory %s, policy %s", max ? max : "?", policy ? policy : "?");

    if (!max || !policy) {
        say(d, FINDING_WARNING, "Redis memory", "INFO memory does not tell", NULL);
    } else if (strcmp(max, "0") == 0) {
        say(d, FINDING_WARNING, "Redis memory", text,
            "set maxmemory (e.g. 512mb) and maxmemory-policy volatile-lru: else it may take all of "
            "the host's");
    } else if (strcmp(policy, "noeviction") == 0) {
        say(d, FINDING_WARNING, "Redis memory", text,
            "set maxmemory-policy volatile-lru: a full Redis refuses to cache anything new");
    } else {
        say(d, FINDING_OK, "Redis memory", text, NULL);
    }
}

static void check_redis_version(doctor_t *d, const char *info)
{
    const char *version = info_value(d->c->pool, info, "redis_version");
    const char *text =
        apr_pstrcat(d->c->pool, "answers, version ", version ? version : "unknown", NULL);

    if (version && strtol(version, NULL, 10) < REDIS_MIN_MAJOR) {
        say(d, FINDING_ERROR, "Redis", text, "install Redis 6 or newer");
    } else {
        say(d, FINDING_OK, "Redis", text, NULL);
    }
}

static void check_redis(doctor_t *d)
{
    wfc_t *c = d->c;
    wf_redis_batch_t *batch;
    const wf_redis_reply_t *r;
    apr_time_t before;
    int server, memory, now;

    if (!c->store->redis) {
        say(d, FINDING_ERROR, "Redis", "none is configured",
            "add WflowsRedis file:/path (redis://host:port)");
        return;
    }
    batch = wf_redis_batch(c->ctx, c->store->redis);
    server = wf_redis_addv(batch, "INFO", "server", NULL);
    memory = wf_redis_addv(batch, "INFO", "memory", NULL);
    if (wf_redis_run(c->ctx, batch) != WF_OK) {
        say(d, FINDING_ERROR, "Redis", failure(d),
            "is it running, and is the URL in WflowsRedis right? wflows serves without it, but "
            "slower and unlimited");
        return;
    }
    r = wf_redis_reply(batch, server);
    if (r->is_error) {
        say(d, FINDING_ERROR, "Redis", r->text, "check user and password in WflowsRedis");
        return;
    }
    check_redis_version(d, r->text);
    check_redis_memory(d, wf_redis_reply(batch, memory)->text);
    batch = wf_redis_batch(c->ctx, c->store->redis);
    now = wf_redis_addv(batch, "TIME", NULL);
    before = wf_now(c->ctx);
    if (wf_redis_run(c->ctx, batch) == WF_OK) {
        apr_time_t after = wf_now(c->ctx);

        r = wf_redis_reply(batch, now);
        if (!r->is_error && r->count == 2) {
            check_skew(d, "Redis",
                       apr_time_make(strtoll(r->items[0].text, NULL, 10),
                                     strtol(r->items[1].text, NULL, 10)),
                       before, after);
        }
    } else {
        wf_ctx_clear(c->ctx);
    }
}

/* ---- secrets --------------------------------------------------------------------------------- */

static void check_data_keys(doctor_t *d)
{
    wfc_t *c = d->c;
    wf_json_t *usage = NULL;
    wf_json_iter_t use;
    int64_t total = 0, lost = 0, old = 0;
    const char *lost_ids = "";

    if (wf_data_keys_usage(c->ctx, &usage, c->store) != WF_OK) {
        say(d, FINDING_ERROR, "data keys", failure(d), NULL);
        return;
    }
    for (use = wf_json_iter(usage); wf_json_next(&use);) {
        int i, place = -1;

        for (i = 0; i < c->conf.master_keys->nelts; i++) {
            if (strcmp(APR_ARRAY_IDX(c->conf.master_keys, i, wfc_master_source_t).id, use.key) ==
                0) {
                place = i;
            }
        }
        total += wf_json_int(use.value);
        old += place > 0 ? wf_json_int(use.value) : 0;
        if (place < 0) {
            lost += wf_json_int(use.value);
            lost_ids = apr_pstrcat(c->pool, lost_ids, *lost_ids ? ", " : "", use.key, NULL);
        }
    }
    if (lost) {
        say(d, FINDING_ERROR, "data keys",
            apr_psprintf(c->pool,
                         "%" APR_INT64_T_FMT " of %" APR_INT64_T_FMT
                         " are wrapped by master keys that are not configured: %s",
                         lost, total, lost_ids),
            "add their WflowsKey lines; without the master key its companies' secrets are lost");
    } else if (old) {
        say(d, FINDING_WARNING, "data keys",
            apr_psprintf(c->pool,
                         "%" APR_INT64_T_FMT " of %" APR_INT64_T_FMT
                         " are wrapped by an older master key",
                         old, total),
            "run 'wflowsctl master-key rewrap'");
    } else {
        say(d, FINDING_OK, "data keys",
            apr_psprintf(c->pool, "%" APR_INT64_T_FMT ", all wrapped by the primary master key",
                         total),
            NULL);
    }
}

/* Opens one sealed column of the company's default account. 1: opened; 0: it has none; -1: failed.
 */
static int unseal_one(wf_ctx_t *ctx, const wfc_t *c, const char *slug)
{
    const char *text;
    size_t len;
    wf_tenant_t *tenant = NULL;
    const wf_account_t *account;
    wf_secret_t secret = {NULL, 0};
    const char *column = "app_secret", *sealed;

    if (wf_tenant_record_load(ctx, &text, &len, c->store, slug, NULL) != WF_OK ||
        wf_tenant_parse(ctx, &tenant, text, len) != WF_OK) {
        return -1;
    }
    if (tenant->account_count == 0) {
        return 0;
    }
    account = &tenant->accounts[0];
    sealed = account->app_secret;
    if (!sealed) {
        column = "private_key";
        sealed = account->private_key;
    }
    if (!sealed) {
        return 0;
    }
    return wf_account_secret(ctx, &secret, tenant, account, c->ring, column, sealed) == WF_OK ? 1
                                                                                              : -1;
}

typedef struct {
    int64_t seen, opened;
    const char *first_bad, *why;
} sample_t;

static void sample_page(doctor_t *d, sample_t *s, const wf_json_t *page, int64_t most,
                        apr_pool_t *one)
{
    size_t i;

    for (i = 0; i < wf_json_len(page) && (most == 0 || s->seen < most); i++) {
        const char *slug = wf_json_get_str(wf_json_at(page, i), "slug", "");
        wf_ctx_t *ctx;
        int opened;

        apr_pool_clear(one);
        ctx = wf_ctx_derive(d->c->ctx, one);
        opened = unseal_one(ctx, d->c, slug);
        s->seen++;
        s->opened += opened == 1;
        if (opened < 0 && !s->first_bad) {
            s->first_bad = apr_pstrdup(d->c->pool, slug);
            s->why = apr_pstrdup(d->c->pool, ctx->err.detail ? ctx->err.detail : "no reason given");
        }
    }
}

static void check_sealed(doctor_t *d, int64_t most)
{
    wfc_t *c = d->c;
    sample_t s = {0, 0, NULL, NULL};
    const char *after = NULL;
    wf_json_t *page = NULL;
    apr_pool_t *one = NULL;
    size_t n;

    apr_pool_create(&one, c->pool);
    do {
        if (wf_company_list(c->ctx, &page, c->store, after, SAMPLE_PAGE) != WF_OK) {
            say(d, FINDING_ERROR, "sealed values", failure(d), NULL);
            return;
        }
        n = wf_json_len(page);
        after = n ? wfc_id(wf_json_at(page, n - 1)) : NULL;
        sample_page(d, &s, page, most, one);
    } while (n == SAMPLE_PAGE && (most == 0 || s.seen < most));
    if (s.first_bad) {
        say(d, FINDING_ERROR, "sealed values",
            apr_psprintf(c->pool, "company '%s': %s", s.first_bad, s.why),
            "restore the row from a backup, or set the secret anew (account set, key new)");
    } else {
        say(d, FINDING_OK, "sealed values",
            apr_psprintf(c->pool,
                         "one each of %" APR_INT64_T_FMT " companies opens (%" APR_INT64_T_FMT
                         " looked at)",
                         s.opened, s.seen),
            NULL);
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

static void check_servers(doctor_t *d, int64_t sample)
{
    wfc_t *c = d->c;

    if (wfc_runtime_open(c) != WF_OK) {
        say(d, FINDING_ERROR, "configuration", failure(d), "mend WflowsDB or WflowsRedis");
        return;
    }
    check_postgres(d);
    check_redis(d);
    if (d->have_db && c->ring) {
        check_data_keys(d);
        check_sealed(d, sample);
    }
}

static wf_status_t run(wfc_t *c)
{
    doctor_t d = {.c = c, .checks = wf_json_array_make(c->pool)};
    wf_json_t *document;
    int64_t sample;
    wf_status_t st = wfc_int_opt(c, &sample, "sample", SAMPLE_DEFAULT, 0, INT32_MAX);

    if (st != WF_OK) {
        return st;
    }
    if (!c->verbose) {
        c->ctx->log.fn = NULL; /* every failure is a finding */
    }
    if (check_configuration(&d)) {
        check_master_keys(&d);
        check_servers(&d, sample);
    }
    c->exit_code = d.errors ? WFC_EXIT_FAILED : WFC_EXIT_OK;
    document = wf_json_object_make(c->pool);
    wf_json_set_bool(document, "ok", d.errors == 0);
    wf_json_set_int(document, "errors", d.errors);
    wf_json_set_int(document, "warnings", d.warnings);
    wf_json_set(document, "checks", d.checks);
    wfc_print_done(c, document, "%d error%s, %d warning%s", d.errors, d.errors == 1 ? "" : "s",
                   d.warnings, d.warnings == 1 ? "" : "s");
    return WF_OK;
}

const wfc_command_t wfc_doctor_commands[] = {
    {"doctor", "", 0, 0, options, 0, run, "Checks configuration, servers, roles, keys and clocks",
     "Says of each fault how to mend it. Exit code 1 if there is an error; warnings alone are 0."},
    WFC_COMMANDS_END};
