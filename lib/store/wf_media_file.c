#include "store/wf_media_store.h"

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIECE 65536
#define PRIVATE (APR_FPROT_UREAD | APR_FPROT_UWRITE)

struct wf_media_file_t {
    apr_file_t *file;
    const char *folder;
    const char *path;  /* while it is written */
    const char *final; /* afterwards */
    apr_pool_t *pool;
};

/* Ids only: nothing that a user wrote is part of a path. */
static const char *path_of(apr_pool_t *pool, const char *dir, const char *company_id,
                           const char *id)
{
    return apr_pstrcat(pool, dir, "/", company_id, "/", id, NULL);
}

static const char *why(apr_pool_t *pool, apr_status_t rv)
{
    char text[128];

    return apr_pstrdup(pool, apr_strerror(rv, text, sizeof(text)));
}

static apr_status_t remove_unkept(void *data)
{
    wf_media_file_t *file = data;

    return apr_file_remove(file->path, file->pool);
}

wf_status_t wf_media_file_make(wf_ctx_t *ctx, wf_media_file_t **out, const char *dir,
                               const wf_media_t *media, const char *suffix)
{
    wf_media_file_t *file = apr_pcalloc(ctx->pool, sizeof(*file));
    apr_status_t rv;

    *out = NULL;
    file->pool = ctx->pool;
    file->folder = apr_pstrcat(ctx->pool, dir, "/", media->company_id, NULL);
    file->final = path_of(ctx->pool, dir, media->company_id, media->id);
    file->path = apr_pstrcat(ctx->pool, file->final, ".", suffix, NULL);
    rv = apr_dir_make(file->folder, PRIVATE | APR_FPROT_UEXECUTE, ctx->pool);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EEXIST(rv)) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0529) "cannot make the folder %s: %s",
                       file->folder, why(ctx->pool, rv));
    }
    apr_file_remove(file->path, ctx->pool); /* of a worker that was killed */
    rv = apr_file_open(&file->file, file->path,
                       APR_FOPEN_CREATE | APR_FOPEN_EXCL | APR_FOPEN_READ | APR_FOPEN_WRITE,
                       PRIVATE, ctx->pool);
    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0530) "cannot make %s: %s", file->path,
                       why(ctx->pool, rv));
    }
    apr_pool_cleanup_register(ctx->pool, file, remove_unkept, apr_pool_cleanup_null);
    *out = file;
    return WF_OK;
}

wf_status_t wf_media_file_write(wf_ctx_t *ctx, const void *data, size_t len, void *baton)
{
    wf_media_file_t *file = baton;
    apr_status_t rv = apr_file_write_full(file->file, data, len, NULL);

    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0531) "cannot write %s: %s", file->path,
                       why(ctx->pool, rv));
    }
    return WF_OK;
}

wf_status_t wf_media_file_read(wf_ctx_t *ctx, wf_media_file_t *file, uint64_t len,
                               wf_bytes_fn *sink, void *baton)
{
    char *piece = apr_palloc(ctx->pool, PIECE);
    apr_off_t start = 0;
    apr_status_t rv = apr_file_seek(file->file, APR_SET, &start);
    wf_status_t st = WF_OK;

    while (st == WF_OK && rv == APR_SUCCESS && len > 0) {
        size_t n = len < PIECE ? (size_t)len : PIECE;

        rv = apr_file_read_full(file->file, piece, n, NULL);
        if (rv == APR_SUCCESS) {
            st = sink(ctx, piece, n, baton);
            len -= n;
        }
    }
    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0532) "cannot read %s: %s", file->path,
                       why(ctx->pool, rv));
    }
    return st;
}

/* The name too has to survive a power cut: the row will say that the file is there. */
static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ok;

    if (fd < 0) {
        return 0;
    }
    ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

wf_status_t wf_media_file_keep(wf_ctx_t *ctx, wf_media_file_t *file)
{
    apr_status_t rv = apr_file_sync(file->file);

    if (rv == APR_SUCCESS) {
        rv = apr_file_close(file->file);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_file_rename(file->path, file->final, ctx->pool);
    }
    if (rv == APR_SUCCESS && !sync_folder(file->folder)) {
        rv = APR_FROM_OS_ERROR(errno);
    }
    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0533) "cannot keep %s: %s", file->final,
                       why(ctx->pool, rv));
    }
    apr_pool_cleanup_kill(ctx->pool, file, remove_unkept);
    return WF_OK;
}

static wf_status_t pump(wf_ctx_t *ctx, apr_file_t *file, wf_vault_t *vault)
{
    char *piece = apr_palloc(ctx->pool, PIECE);
    wf_status_t st = WF_OK;
    apr_status_t rv = APR_SUCCESS;

    while (st == WF_OK && rv == APR_SUCCESS) {
        apr_size_t n = PIECE;

        rv = apr_file_read(file, piece, &n);
        if (rv == APR_SUCCESS) {
            st = wf_vault_add(ctx, vault, piece, n);
        }
    }
    if (st == WF_OK && !APR_STATUS_IS_EOF(rv)) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0534) "a stored file cannot be read: %s",
                       why(ctx->pool, rv));
    }
    return st == WF_OK ? wf_vault_end(ctx, vault) : st;
}

wf_status_t wf_media_file_open(wf_ctx_t *ctx, const char *dir, const wf_media_t *media,
                               wf_bytes_fn *sink, void *baton)
{
    const wf_seal_place_t place = {"media", "content", media->company_id, media->id};
    const char *path = path_of(ctx->pool, dir, media->company_id, media->id);
    apr_file_t *file;
    wf_vault_t *vault;
    apr_status_t rv = apr_file_open(&file, path, APR_FOPEN_READ, 0, ctx->pool);
    wf_status_t st;

    if (rv != APR_SUCCESS) {
        return wf_fail(ctx, APR_STATUS_IS_ENOENT(rv) ? WF_ENOTFOUND : WF_EUNAVAIL,
                       WFLOGNO(0535) "cannot open %s: %s", path, why(ctx->pool, rv));
    }
    if ((st = wf_vault_open(ctx, &vault, media->file_key, &place, sink, baton)) == WF_OK) {
        st = pump(ctx, file, vault);
    }
    apr_file_close(file);
    return st;
}

int wf_media_file_remove(apr_pool_t *pool, const char *dir, const char *company_id, const char *id)
{
    static const char *const suffixes[] = {"", "." WF_MEDIA_CIPHER_SUFFIX, "." WF_MEDIA_NEW_SUFFIX};
    const char *path = path_of(pool, dir, company_id, id);
    int ok = 1;
    size_t i;

    for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        apr_status_t rv = apr_file_remove(apr_pstrcat(pool, path, suffixes[i], NULL), pool);

        ok &= rv == APR_SUCCESS || APR_STATUS_IS_ENOENT(rv);
    }
    return ok;
}

static apr_status_t remove_files(apr_pool_t *pool, int64_t *count, const char *folder)
{
    apr_finfo_t info;
    apr_dir_t *dir;
    apr_status_t rv = apr_dir_open(&dir, folder, pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((rv = apr_dir_read(&info, APR_FINFO_NAME, dir)) == APR_SUCCESS) {
        if (strcmp(info.name, ".") == 0 || strcmp(info.name, "..") == 0) {
            continue;
        }
        rv = apr_file_remove(apr_pstrcat(pool, folder, "/", info.name, NULL), pool);
        if (rv != APR_SUCCESS && !APR_STATUS_IS_ENOENT(rv)) {
            break;
        }
        (*count)++;
    }
    apr_dir_close(dir);
    return APR_STATUS_IS_ENOENT(rv) ? apr_dir_remove(folder, pool) : rv;
}

wf_status_t wf_media_files_erase(wf_ctx_t *ctx, int64_t *count, const char *dir,
                                 const char *company_id)
{
    const char *folder = apr_pstrcat(ctx->pool, dir, "/", company_id, NULL);
    apr_status_t rv;

    *count = 0;
    rv = remove_files(ctx->pool, count, folder);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_ENOENT(rv)) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0724) "cannot remove the files in %s: %s", folder,
                       why(ctx->pool, rv));
    }
    return WF_OK;
}
