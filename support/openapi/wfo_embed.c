#include "wfo.h"

#include "crypto/wf_crypto.h"

#include <apr_file_io.h>
#include <string.h>

#define FILE_MAX (16 * 1024 * 1024)
#define LINE_BYTES 100

const char *wfo_read(wfo_t *o, size_t *len, const char *path)
{
    apr_finfo_t info;
    apr_file_t *file;
    char *text;

    if (apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, APR_FPROT_OS_DEFAULT,
                      o->pool) != APR_SUCCESS ||
        apr_file_info_get(&info, APR_FINFO_SIZE, file) != APR_SUCCESS || info.size > FILE_MAX) {
        wfo_fail(o, "%s cannot be read", path);
        return NULL;
    }
    *len = (size_t)info.size;
    text = apr_palloc(o->pool, *len + 1);
    if (apr_file_read_full(file, text, *len, NULL) != APR_SUCCESS) {
        wfo_fail(o, "%s cannot be read", path);
        return NULL;
    }
    text[*len] = '\0';
    apr_file_close(file);
    return text;
}

int wfo_write(wfo_t *o, const char *path, const char *text, size_t len)
{
    const char *fresh = apr_pstrcat(o->pool, path, ".new", NULL);
    apr_file_t *file;

    if (apr_file_open(&file, fresh,
                      APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_TRUNCATE | APR_FOPEN_BINARY,
                      APR_FPROT_OS_DEFAULT, o->pool) != APR_SUCCESS ||
        apr_file_write_full(file, text, len, NULL) != APR_SUCCESS ||
        apr_file_close(file) != APR_SUCCESS || apr_file_rename(fresh, path, o->pool) != APR_SUCCESS) {
        wfo_fail(o, "%s cannot be written", path);
        return 0;
    }
    return 1;
}

static void put_literal(wf_buf_t *out, const char *data, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];

        if (i % LINE_BYTES == 0) {
            wf_buf_puts(out, i ? "\"\n    \"" : "\n    \"");
        }
        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '?') {
            wf_buf_putc(out, (char)c);
        } else {
            wf_buf_printf(out, "\\%03o", c);
        }
    }
    wf_buf_puts(out, len ? "\"" : "\"\"");
}

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {".json", "application/json"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".html", "text/html; charset=utf-8"},
    };
    const char *dot = strrchr(name, '.');
    size_t i;

    for (i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(dot, types[i][0]) == 0) {
            return types[i][1];
        }
    }
    return "text/plain; charset=utf-8";
}

static int put_file(wfo_t *o, wf_buf_t *out, const char *what)
{
    const char *path = strchr(what, '='), *data, *name;
    size_t len = 0;

    if (!path || !(data = wfo_read(o, &len, path + 1))) {
        return 0;
    }
    name = apr_pstrmemdup(o->pool, what, (size_t)(path - what));
    wf_buf_printf(out, "    {\"%s\", \"%s\", \"%.16s\", %lu,", name, type_of(name),
                  wf_sha256_hex(o->pool, data, len), (unsigned long)len);
    put_literal(out, data, len);
    wf_buf_puts(out, "},\n");
    return 1;
}

int wfo_embed(wfo_t *o, const char *out, int count, const char *const *files)
{
    wf_buf_t text;
    int i;

    wf_buf_init(&text, o->pool, 1024 * 1024, (size_t)count * 4 * FILE_MAX);
    wf_buf_puts(&text, "/* Made by wf-openapi. */\n#include \"mod_wflows_admin/wfa_docs.h\"\n\n"
                       "const wfa_file_t wfa_files[] = {\n");
    for (i = 0; i < count; i++) {
        if (!put_file(o, &text, files[i])) {
            return 0;
        }
    }
    wf_buf_puts(&text, "    {NULL, NULL, NULL, 0, NULL}};\n");
    if (text.failed) {
        wfo_fail(o, "%s: the files are too large", out);
        return 0;
    }
    return wfo_write(o, out, text.data, text.len);
}
