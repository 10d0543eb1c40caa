/* wflowsctl master-key: the keys that wrap the companies' data keys. */
#include "wfc.h"

#include <string.h>

static const wfc_option_t new_options[] = {WFC_OPTION_OUT, WFC_OPTION_END};

static const wfc_column_t columns[] = {{"MASTER KEY", "/id", 0},
                                       {"ROLE", "/role", 0},
                                       {"DATA KEYS", "/data_keys", 1},
                                       {"SOURCE", "/source", 0},
                                       {NULL, NULL, 0}};

/* ---- new ------------------------------------------------------------------------------------- */

static wf_status_t run_new(wfc_t *c)
{
    const char *file = wfc_opt(c, "out"), *key = NULL;
    wf_json_t *record = wf_json_object_make(c->pool);
    wf_status_t st = wf_master_key_generate(c->ctx, &key);

    if (st != WF_OK) {
        return st;
    }
    if (!file) {
        wf_json_set_str(record, "key", key);
        wfc_print_text(c, record, apr_pstrcat(c->pool, key, "\n", NULL));
        return WF_OK;
    }
    st = wfc_write_file(c, file, apr_pstrcat(c->pool, key, "\n", NULL), 1);
    if (st == WF_OK) {
        wf_json_set_str(record, "file", file);
        wfc_print_done(
            c, record,
            "a new master key is in %s (mode 0600). Keep a copy in a safe place: without it every\n"
            "secret in the database is lost. In the configuration, as the first WflowsKey:\n"
            "    WflowsKey ID file:%s\n"
            "then restart httpd gracefully and run 'wflowsctl master-key rewrap'.",
            file, file);
    }
    return st;
}

/* ---- status ---------------------------------------------------------------------------------- */

static wf_json_t *key_row(wfc_t *c, const char *id, const char *role, int64_t data_keys,
                          const char *source)
{
    wf_json_t *row = wf_json_object_make(c->pool);

    wf_json_set_str(row, "id", id);
    wf_json_set_str(row, "role", role);
    wf_json_set_int(row, "data_keys", data_keys);
    wf_json_set_str(row, "source", source);
    return row;
}

/* Every master key that is configured or in use. *missing: data keys that no configured one opens.
 */
static wf_json_t *key_rows(wfc_t *c, const wf_json_t *usage, int64_t *missing)
{
    wf_json_t *rows = wf_json_array_make(c->pool);
    wf_json_iter_t use;
    int i;

    *missing = 0;
    for (i = 0; i < c->conf.master_keys->nelts; i++) {
        const wfc_master_source_t *s = &APR_ARRAY_IDX(c->conf.master_keys, i, wfc_master_source_t);
        wf_json_push(rows, key_row(c, s->id, i == 0 ? "primary" : "older",
                                   wf_json_get_int(usage, s->id, 0), s->source));
    }
    for (use = wf_json_iter(usage); wf_json_next(&use);) {
        int known = 0;

        for (i = 0; i < c->conf.master_keys->nelts; i++) {
            known |=
                strcmp(APR_ARRAY_IDX(c->conf.master_keys, i, wfc_master_source_t).id, use.key) == 0;
        }
        if (!known) {
            *missing += wf_json_int(use.value);
            wf_json_push(rows, key_row(c, use.key, "not configured", wf_json_int(use.value), NULL));
        }
    }
    return rows;
}

static wf_status_t run_status(wfc_t *c)
{
    wf_json_t *usage = NULL;
    int64_t missing;
    wf_status_t st = wf_data_keys_usage(c->ctx, &usage, c->store);

    if (st != WF_OK) {
        return st;
    }
    wfc_print_list(c, key_rows(c, usage, &missing), columns, "There is no master key.");
    if (missing) {
        c->exit_code = WFC_EXIT_FAILED;
        wfc_say(c,
                "%" APR_INT64_T_FMT
                " data keys cannot be opened: add the WflowsKey lines that are missing.",
                missing);
    }
    return WF_OK;
}

/* ---- rewrap ---------------------------------------------------------------------------------- */

static wf_status_t run_rewrap(wfc_t *c)
{
    const char *primary = wf_keyring_primary_id(c->ring);
    wf_json_t *record = wf_json_object_make(c->pool);
    int done = 0, left = 0;
    wf_status_t st;

    if (c->ctx->log.max < WF_LOG_NOTICE) {
        c->ctx->log.max = WF_LOG_NOTICE; /* its progress */
    }
    st = wf_data_keys_rewrap(c->ctx, &done, &left, c->store, c->ring, &c->actor);
    if (st != WF_OK) {
        return st;
    }
    if (left > 0) {
        c->hint = "'wflowsctl master-key status' shows which master keys are not configured.";
        return wf_fail_public(c->ctx, WF_EDENIED,
                              WFLOGNO(4070) "%d data keys are left that cannot be opened", left);
    }
    wf_json_set_str(record, "primary", primary);
    wf_json_set_int(record, "rewrapped", done);
    wf_json_set_int(record, "left", left);
    wfc_print_done(c, record, "every data key is wrapped by '%s'; %d were rewrapped", primary,
                   done);
    return WF_OK;
}

const wfc_command_t wfc_master_key_commands[] = {
    {"master-key new", "", 0, 0, new_options, 0, run_new, "Makes a master key (256 bits, base64)",
     "With --out the file is new and its mode 0600; without it the key goes to standard output."},
    {"master-key status", "", 0, 0, NULL, WFC_STORE, run_status,
     "Shows which master keys are configured and how many data keys each wraps", NULL},
    {"master-key rewrap", "", 0, 0, NULL, WFC_STORE_AND_RING, run_rewrap,
     "Moves every data key to the primary master key",
     "The primary is the first WflowsKey. Works beside running servers that know both keys; if it "
     "is\n"
     "interrupted, run it again. Afterwards the older WflowsKey lines can go."},
    WFC_COMMANDS_END};
