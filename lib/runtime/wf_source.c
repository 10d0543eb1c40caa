#include "runtime/wf_runtime.h"

#include <apr_env.h>
#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_thread_proc.h>
#include <string.h>

/* Far above any key or connection string. */
#define SOURCE_MAX (16 * 1024)
#define EXEC_TIMEOUT apr_time_from_sec(10)

typedef enum { SOURCE_INLINE, SOURCE_FILE, SOURCE_ENV, SOURCE_EXEC } source_kind_t;

/* The kind, and what stands after its prefix. */
static source_kind_t kind_of(const char **rest, const char *source)
{
    static const struct {
        const char *prefix;
        source_kind_t kind;
    } kinds[] = {{"file:", SOURCE_FILE}, {"env:", SOURCE_ENV}, {"exec:", SOURCE_EXEC}};
    size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(source, kinds[i].prefix, len) == 0) {
            *rest = source + len;
            return kinds[i].kind;
        }
    }
    *rest = source;
    return SOURCE_INLINE;
}

int wf_source_is_exec(const char *source)
{
    const char *rest;

    return kind_of(&rest, source) == SOURCE_EXEC;
}

const char *wf_source_check(apr_pool_t *pool, const char *source, int inline_ok)
{
    const char *rest;

    switch (kind_of(&rest, source ? source : "")) {
    case SOURCE_FILE:
        return rest[0] == '/' ? NULL : "the path must be absolute (e.g. file:/etc/wflows/secret)";
    case SOURCE_EXEC:
        return rest[0] == '/' ? NULL
                              : "the program must be an absolute path (e.g. \"exec:/usr/bin/vault "
                                "read -field=key wflows\")";
    case SOURCE_ENV:
        return rest[0] && !strpbrk(rest, "= \t")
                   ? NULL
                   : "the name of a variable is needed (e.g. env:WFLOWS_SECRET)";
    case SOURCE_INLINE:
        break;
    }
    if (inline_ok && rest[0]) {
        return NULL;
    }
    return apr_psprintf(pool, "use file:/path, env:NAME or \"exec:/path args\"%s%s",
                        inline_ok ? ", or the text itself without a password" : "",
                        rest[0] && !inline_ok ? "; a secret never stands in the configuration"
                                              : "");
}

/* `size` bytes or fewer; *len is what came. The file is not trusted to stay as long as it was. */
static apr_status_t read_up_to(apr_file_t *file, char *data, apr_size_t size, apr_size_t *len)
{
    apr_status_t rv = APR_SUCCESS;

    *len = 0;
    while (*len < size) {
        apr_size_t n = size - *len;

        rv = apr_file_read(file, data + *len, &n);
        if (rv != APR_SUCCESS) {
            break;
        }
        *len += n;
    }
    return rv == APR_EOF ? APR_SUCCESS : rv;
}

/* Looks at the open file, not at its name, so that nobody can swap it in between. */
static wf_status_t check_file(wf_ctx_t *ctx, apr_file_t *file, const char *path)
{
    apr_finfo_t info;

    if (apr_file_info_get(&info, APR_FINFO_TYPE | APR_FINFO_PROT | APR_FINFO_SIZE, file) !=
            APR_SUCCESS ||
        info.filetype != APR_REG) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0350) "%s is not a regular file", path);
    }
    if (info.protection &
        (APR_FPROT_GREAD | APR_FPROT_GWRITE | APR_FPROT_WREAD | APR_FPROT_WWRITE)) {
        return wf_fail_public(ctx, WF_EDENIED,
                              WFLOGNO(0351) "%s can be read or written by others: chmod 0400 %s",
                              path, path);
    }
    if (info.size >= SOURCE_MAX) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0352) "%s is longer than %d bytes", path,
                              SOURCE_MAX);
    }
    return WF_OK;
}

static wf_status_t read_file(wf_ctx_t *ctx, wf_secret_t *out, const char *path)
{
    apr_file_t *file;
    apr_status_t rv;
    wf_status_t st;
    char reason[120];

    rv = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, APR_FPROT_OS_DEFAULT,
                       ctx->pool);
    if (rv != APR_SUCCESS) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0353) "cannot read %s: %s", path,
                              apr_strerror(rv, reason, sizeof(reason)));
    }
    st = check_file(ctx, file, path);
    if (st == WF_OK) {
        rv = read_up_to(file, (char *)out->data, SOURCE_MAX, &out->len);
        if (rv != APR_SUCCESS) {
            st = wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0354) "cannot read %s: %s", path,
                                apr_strerror(rv, reason, sizeof(reason)));
        }
    }
    (void)apr_file_close(file);
    return st;
}

static wf_status_t read_env(wf_ctx_t *ctx, wf_secret_t *out, const char *name)
{
    char *value = NULL;

    if (apr_env_get(&value, name, ctx->pool) != APR_SUCCESS || !value) {
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0355) "the environment variable %s is not set", name);
    }
    out->len = strlen(value);
    if (out->len >= SOURCE_MAX) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0356) "the variable %s is over %d bytes",
                              name, SOURCE_MAX);
    }
    memcpy(out->data, value, out->len);
    return WF_OK;
}

/* Its output, its exit code 0, and both in time. */
static wf_status_t run_program(wf_ctx_t *ctx, wf_secret_t *out, char *const *argv)
{
    apr_proc_t proc = {0};
    apr_procattr_t *attr;
    apr_exit_why_e why;
    apr_status_t rv;
    int code = -1;

    if (apr_procattr_create(&attr, ctx->pool) != APR_SUCCESS ||
        apr_procattr_io_set(attr, APR_NO_PIPE, APR_FULL_BLOCK, APR_NO_PIPE) != APR_SUCCESS ||
        apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV) != APR_SUCCESS ||
        apr_procattr_error_check_set(attr, 1) != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0357) "cannot prepare to run %s", argv[0]);
    }
    rv = apr_proc_create(&proc, argv[0], (const char *const *)argv, NULL, attr, ctx->pool);
    if (rv != APR_SUCCESS) {
        char reason[120];
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0358) "cannot run %s: %s", argv[0],
                              apr_strerror(rv, reason, sizeof(reason)));
    }
    (void)apr_file_pipe_timeout_set(proc.out, EXEC_TIMEOUT);
    rv = read_up_to(proc.out, (char *)out->data, SOURCE_MAX, &out->len);
    (void)apr_file_close(proc.out);
    if (rv != APR_SUCCESS) {
        (void)apr_proc_kill(&proc, 9);
    }
    (void)apr_proc_wait(&proc, &code, &why, APR_WAIT);
    if (rv != APR_SUCCESS || !APR_PROC_CHECK_EXIT(why) || code != 0 || out->len >= SOURCE_MAX) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0359) "%s gave no secret: exit code %d%s",
                              argv[0], code, APR_STATUS_IS_TIMEUP(rv) ? ", killed after 10 s" : "");
    }
    return WF_OK;
}

static wf_status_t read_exec(wf_ctx_t *ctx, wf_secret_t *out, const char *command)
{
    char **argv;

    if (apr_tokenize_to_argv(command, &argv, ctx->pool) != APR_SUCCESS || !argv[0]) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0360) "cannot split \"%s\" into words",
                              command);
    }
    return run_program(ctx, out, argv);
}

static void trim_end(wf_secret_t *text)
{
    while (text->len > 0 && strchr(" \t\r\n", text->data[text->len - 1])) {
        text->len--;
    }
    text->data[text->len] = '\0';
}

wf_status_t wf_source_read(wf_ctx_t *ctx, wf_secret_t *out, const char *source, int inline_ok)
{
    const char *wrong = wf_source_check(ctx->pool, source, inline_ok);
    const char *rest;
    wf_secret_t text = {0};
    wf_status_t st = WF_OK;

    out->data = NULL;
    out->len = 0;
    if (wrong) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0361) "%s", wrong);
    }
    text.data = wf_secret_alloc(ctx->pool, SOURCE_MAX + 1);
    switch (kind_of(&rest, source)) {
    case SOURCE_FILE:
        st = read_file(ctx, &text, rest);
        break;
    case SOURCE_ENV:
        st = read_env(ctx, &text, rest);
        break;
    case SOURCE_EXEC:
        st = read_exec(ctx, &text, rest);
        break;
    case SOURCE_INLINE:
        text.len = strlen(rest) < SOURCE_MAX ? strlen(rest) : SOURCE_MAX;
        memcpy(text.data, rest, text.len);
        break;
    }
    if (st != WF_OK) {
        return st;
    }
    trim_end(&text);
    if (text.len == 0 || memchr(text.data, '\0', text.len)) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0362) "%s is empty or no text", source);
    }
    *out = text;
    return WF_OK;
}
