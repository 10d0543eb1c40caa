-- Files that users send in a flow (WHATSAPP.md section 3). The bytes lie in WflowsFlowMediaDir, under
-- <company>/<id>, sealed with file_key.

create table wflows.media (
    company_id uuid not null,
    id uuid not null,      -- made from owner and reference: the same file told twice is one row
    account_id uuid,
    session_id uuid,       -- in whose exchange it came, or
    response_id uuid,      -- in whose answers
    source text not null,  -- 'cdn' (encrypted, 3.2) or 'graph' (3.4)
    media_id text not null, -- Meta's
    file_name text,        -- for people; never a path
    mime_type text,
    size bigint,
    sha256 text not null,  -- of the plaintext
    status text not null default 'pending',
    reason text,
    reference text,        -- *: link and keys, until it is here
    file_key text,         -- *
    created_at timestamptz not null default now(),
    done_at timestamptz,
    primary key (company_id, id),
    constraint media_source_check check (source in ('cdn', 'graph')),
    constraint media_media_id_check check (char_length(media_id) between 1 and 128),
    constraint media_file_name_check check (char_length(file_name) <= 255),
    constraint media_mime_type_check check (char_length(mime_type) <= 100),
    constraint media_size_check check (size >= 0),
    constraint media_sha256_check check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint media_status_check check (status in ('pending', 'stored', 'failed', 'expired')),
    constraint media_stored_check check ((status = 'stored') = (file_key is not null)),
    -- A value that is not sealed text in one of these columns would be a secret in clear.
    constraint media_sealed_check check (coalesce(reference, 'wf1:') like 'wf1:%'
        and coalesce(file_key, 'wf1:') like 'wf1:%')
);
create index media_by_time on wflows.media (company_id, created_at, id);
create index media_by_session on wflows.media (company_id, session_id) where session_id is not null;
create index media_by_response on wflows.media (company_id, response_id) where response_id is not null;
call wflows.protect('wflows.media');
grant select, insert, update, delete on wflows.media to wflows_app, wflows_platform;

-- In the producer's transaction, with the tenant set: the files of an exchange (p_session) or of answers
-- (p_response), as wf_media_files_seal made them. One already known is passed by.
create function wflows.media_add(p_company uuid, p_account uuid, p_session uuid, p_response uuid,
                                 p_files json) returns void
language plpgsql
as $$
declare
    v_file record;
    v_new boolean;
begin
    for v_file in select f.* from json_to_recordset(p_files)
                  as f (id uuid, source text, media_id text, file_name text, mime_type text,
                        sha256 text, reference text) loop
        insert into wflows.media (company_id, id, account_id, session_id, response_id, source, media_id,
                                  file_name, mime_type, sha256, reference)
        values (p_company, v_file.id, p_account, p_session, p_response, v_file.source, v_file.media_id,
                v_file.file_name, v_file.mime_type, v_file.sha256, v_file.reference)
        on conflict (company_id, id) do nothing;
        if found then
            v_new := wflows.outbox_add(p_company, 'media', p_account, 'flow_media.fetch',
                                       v_file.id::text, json_build_object('id', v_file.id));
        end if;
    end loop;
end
$$;

-- How the responses and callbacks name a file.
create function wflows.media_json(p_media wflows.media) returns json
language sql stable parallel safe
return json_strip_nulls(json_build_object(
    'id', p_media.id, 'media_id', p_media.media_id, 'file_name', p_media.file_name,
    'mime_type', p_media.mime_type, 'size', p_media.size, 'sha256', p_media.sha256,
    'status', p_media.status, 'reason', p_media.reason));

revoke execute on function wflows.media_add(uuid, uuid, uuid, uuid, json),
                           wflows.media_json(wflows.media) from public;
grant execute on function wflows.media_add(uuid, uuid, uuid, uuid, json),
                          wflows.media_json(wflows.media) to wflows_app, wflows_platform;
