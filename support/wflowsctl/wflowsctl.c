/* wflowsctl: the list of its commands, and main. */
#include "wfc.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const wfc_command_t *const command_tables[] = {
    wfc_migrate_commands,
    wfc_doctor_commands,
    wfc_company_commands,
    wfc_account_commands,
    wfc_key_commands,
    wfc_flow_commands,
    wfc_people_commands,
    wfc_audit_commands,
    wfc_erase_commands,
    wfc_routes_commands,
    wfc_master_key_commands,
    wfc_outbox_commands,
    wfc_media_commands,
    wfc_send_commands,
    wfc_help_commands,
    NULL,
};

/* The name in the audit rows: who logged in, which survives sudo, else whom the process runs as. */
static const char *actor_name(apr_pool_t *pool)
{
    char login[256], buffer[4096];
    struct passwd entry, *found = NULL;

    if (getlogin_r(login, sizeof(login)) == 0 && login[0]) {
        return apr_pstrcat(pool, "wflowsctl:", login, NULL);
    }
    if (getpwuid_r(getuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found) {
        return apr_pstrcat(pool, "wflowsctl:", found->pw_name, NULL);
    }
    return apr_psprintf(pool, "wflowsctl:%lu", (unsigned long)getuid());
}

static void init(wfc_t *c, apr_pool_t *pool)
{
    wf_log_t log = {WF_LOG_WARNING, wfc_log, c};

    memset(c, 0, sizeof(*c));
    c->pool = pool;
    c->tables = command_tables;
    c->options = apr_table_make(pool, 8);
    c->conf.master_keys = apr_array_make(pool, 2, sizeof(wfc_master_source_t));
    c->ctx = wf_ctx_make(pool, &log);
    c->actor.actor = actor_name(pool);
}

static wf_status_t prepare(wfc_t *c, unsigned needs)
{
    wf_status_t st = WF_OK;

    if (needs) {
        st = wfc_conf_read(c);
    }
    if (st == WF_OK && (needs & WFC_NEEDS_RING)) {
        st = wfc_ring_open(c, &c->ring);
    }
    if (st == WF_OK && (needs & WFC_NEEDS_STORE)) {
        st = wfc_runtime_open(c);
    }
    return st;
}

static wf_status_t run(wfc_t *c, int argc, const char *const *argv)
{
    wf_status_t st = wfc_args_parse(c, argc, argv);

    if (st != WF_OK) {
        return st;
    }
    if (c->verbose) {
        c->ctx->log.max = WF_LOG_TRACE;
    }
    if (c->help || !c->command) {
        wfc_help(c);
        return WF_OK;
    }
    st = prepare(c, c->command->needs);
    if (st != WF_OK) {
        return st;
    }
    return c->command->run(c);
}

int main(int argc, const char *const *argv)
{
    wfc_t c;
    apr_pool_t *pool = NULL;
    wfc_exit_t code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        fputs("wflowsctl: APR does not start\n", stderr);
        return WFC_EXIT_INTERNAL;
    }
    init(&c, pool);
    code = wfc_report(&c, run(&c, argc, argv));
    apr_pool_destroy(pool); /* wipes the secrets */
    apr_terminate();
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("wflowsctl: standard output");
        return WFC_EXIT_INTERNAL;
    }
    return code;
}
