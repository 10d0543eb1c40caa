/* wflowsctl media: the files that users sent in flows. */
#include "wfc.h"

#include "store/wf_media_store.h"

#include <unistd.h>

static const wfc_option_t list_options[] = {
    WFC_OPTION_COMPANY,
    {"session", 0, WFC_TEXT, 0, "ID", "that came in this session"},
    {"response", 0, WFC_TEXT, 0, "ID", "that came with these answers"},
    {"status", 0, WFC_TEXT, 0, "STATUS", "pending, stored, failed or expired"},
    {"limit", 0, WFC_TEXT, 0, "N", "so many, the newest (otherwise 50)"},
    WFC_OPTION_END};
static const wfc_option_t get_options[] = {
    WFC_OPTION_COMPANY, WFC_OPTION_OUT,
    {"media-dir", 0, WFC_TEXT, 0, "DIR", "instead of WflowsFlowMediaDir"},
    WFC_OPTION_END};

static const wfc_column_t list_columns[] = {
    {"ID", "/id", 0},           {"STATUS", "/status", 0},      {"TYPE", "/mime_type", 0},
    {"SIZE", "/size", 1},       {"NAME", "/file_name", 0},     {"CAME", "/created_at", 0},
    {"REASON", "/reason", 0},   {NULL, NULL, 0}};

/* ---- list ------------------------------------------------------------------------------------ */

static wf_status_t id_opt(wfc_t *c, const char **out, const char *option)
{
    *out = wfc_opt(c, option);
    return !*out || wf_uuid_is(*out) ? WF_OK : wfc_usage(c, "--%s: '%s' is no id", option, *out);
}

static wf_status_t run_list(wfc_t *c)
{
    wf_media_filter_t filter = {.status = wfc_opt(c, "status")};
    wf_json_t *company = NULL, *rows = NULL;
    int64_t limit;
    wf_status_t st;

    if ((st = id_opt(c, &filter.session_id, "session")) != WF_OK ||
        (st = id_opt(c, &filter.response_id, "response")) != WF_OK ||
        (st = wfc_int_opt(c, &limit, "limit", 50, 1, 1000)) != WF_OK ||
        (st = wfc_company(c, &company, wfc_opt(c, "company"))) != WF_OK) {
        return st;
    }
    filter.limit = (int)limit;
    st = wf_media_list(c->ctx, &rows, c->store, wfc_id(company), &filter);
    if (st == WF_OK) {
        wfc_print_list(c, rows, list_columns, "There is no such file.");
    }
    return st;
}

/* ---- get ------------------------------------------------------------------------------------- */

/* A wf_bytes_fn whose baton is where it goes. */
static wf_status_t write_piece(wf_ctx_t *ctx, const void *data, size_t len, void *file)
{
    apr_status_t rv = apr_file_write_full(file, data, len, NULL);
    char why[128];

    return rv == APR_SUCCESS ? WF_OK
                             : wf_fail_public(ctx, WF_EUNAVAIL,
                                              WFLOGNO(4091) "the file cannot be written: %s",
                                              apr_strerror(rv, why, sizeof(why)));
}

static wf_status_t open_target(wfc_t *c, apr_file_t **target, const char *path)
{
    if (path) {
        return wfc_file_create(c, target, path, 1);
    }
    if (c->json || isatty(STDOUT_FILENO)) {
        return wfc_usage(c, "a file is bytes: name where they go with --out");
    }
    return apr_file_open_stdout(target, c->pool) == APR_SUCCESS
               ? WF_OK
               : wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4093) "there is no standard output");
}

static void print_got(wfc_t *c, const wf_media_t *media, const char *path)
{
    wf_json_t *record = wf_json_object_make(c->pool);

    wf_json_set_str(record, "id", media->id);
    wf_json_set_str(record, "file_name", media->file_name);
    wf_json_set_str(record, "mime_type", media->mime_type);
    wf_json_set_int(record, "size", media->size);
    wf_json_set_str(record, "sha256", media->sha256);
    wf_json_set_str(record, "out", path);
    wfc_print_done(c, record, "%s (%s, %" APR_INT64_T_FMT " bytes)", path, media->mime_type,
                   media->size);
}

static wf_status_t fetch(wfc_t *c, wf_media_t **media, apr_file_t *target, const char *company_id,
                         const char *dir)
{
    wf_status_t st = wf_media_open(c->ctx, media, c->store, c->ring, company_id, c->args[0],
                                   &c->actor);

    return st == WF_OK ? wf_media_file_open(c->ctx, dir, *media, write_piece, target) : st;
}

static wf_status_t run_get(wfc_t *c)
{
    const char *path = wfc_opt(c, "out"), *dir;
    wf_json_t *company = NULL;
    wf_media_t *media = NULL;
    apr_file_t *target = NULL;
    wf_status_t st;

    if ((st = wfc_conf_media_dir(c, &dir)) != WF_OK ||
        (st = wfc_company(c, &company, wfc_opt(c, "company"))) != WF_OK ||
        (st = open_target(c, &target, path)) != WF_OK) {
        return st;
    }
    st = fetch(c, &media, target, wfc_id(company), dir);
    if (!path) {
        return st;
    }
    apr_file_close(target);
    if (st != WF_OK) {
        apr_file_remove(path, c->pool); /* half of it, or nothing */
    } else {
        print_got(c, media, path);
    }
    return st;
}

const wfc_command_t wfc_media_commands[] = {
    {"media list", "", 0, 0, list_options, WFC_STORE, run_list,
     "Lists the files that users sent to a company, the newest first",
     "STATUS is pending (to be fetched), stored, failed or expired (Meta has it no more)."},
    {"media get", "ID", 1, 1, get_options, WFC_STORE_AND_RING, run_get,
     "Decrypts a file to a new file, or to standard output",
     "ID is ours or Meta's media_id. FILE is new, mode 0600. What is decrypted was checked against\n"
     "its hash when it came, and is checked again piece by piece: of one that was changed on the disk\n"
     "standard output has the pieces before, and the exit code is 7; FILE is taken away again. Every\n"
     "reading writes an audit row (media.read)."},
    WFC_COMMANDS_END};
