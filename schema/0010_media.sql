-- Files that users send in a flow (WHATSAPP.md section 3). The bytes lie in WflowsFlowMediaDir, under
-- <company>/<id>, sealed with file_key.

create table wflows.media (
    company_id uuid not null,
    id uuid not null,      -- made from owner and reference: the same file told twice is one row
    account_id uuid,
    session_id uuid,       -- in whose exchange it came, or
    response_id uuid,      -- in whose answers
    flow_token text,       -- of those answers
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
    constraint media_flow_token_check check (char_length(flow_token) <= 256),
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
-- (p_response, with their p_token), as wf_media_files_seal made them. One already known is passed by.
create function wflows.media_add(p_company uuid, p_account uuid, p_session uuid, p_response uuid,
                                 p_token text, p_files json) returns void
language plpgsql
as $$
declare
    v_file record;
    v_new boolean;
begin
    for v_file in select f.* from json_to_recordset(p_files)
                  as f (id uuid, source text, media_id text, file_name text, mime_type text,
                        sha256 text, reference text) loop
        insert into wflows.media (company_id, id, account_id, session_id, response_id, flow_token, source,
                                  media_id, file_name, mime_type, sha256, reference)
        values (p_company, v_file.id, p_account, p_session, p_response, p_token, v_file.source,
                v_file.media_id, v_file.file_name, v_file.mime_type, v_file.sha256, v_file.reference)
        on conflict (company_id, id) do nothing;
        if found then
            v_new := wflows.outbox_add(p_company, 'media', p_account, 'flow_media.fetch',
                                       v_file.id::text, json_build_object('id', v_file.id));
        end if;
    end loop;
end
$$;

-- A file in lists and events.
create function wflows.media_json(p_media wflows.media) returns json
language sql stable parallel safe
return json_strip_nulls(json_build_object(
    'id', p_media.id, 'media_id', p_media.media_id, 'file_name', p_media.file_name,
    'mime_type', p_media.mime_type, 'size', p_media.size, 'sha256', p_media.sha256,
    'status', p_media.status, 'reason', p_media.reason, 'session_id', p_media.session_id,
    'response_id', p_media.response_id, 'flow_token', p_media.flow_token,
    'created_at', wflows.time_text(p_media.created_at)));

-- What became of fetching a file, and with it the event that tells so. What is stored stays so, and the same
-- outcome is told once however often it is written. Answers the file's status, or NULL: its time ran out
-- meanwhile and its row has gone.
create function wflows.media_done(p_company uuid, p_id uuid, p_status text, p_reason text, p_size bigint,
                                  p_mime_type text, p_file_key text) returns text
language plpgsql
as $$
declare
    m wflows.media;
    r wflows.flow_responses;
begin
    update wflows.media
    set status = p_status, reason = p_reason, size = p_size,
        mime_type = coalesce(p_mime_type, mime_type), file_key = p_file_key, done_at = now(),
        reference = case when p_status = 'stored' then null else reference end
    where company_id = p_company and id = p_id and status <> 'stored'
    returning * into m;
    if not found then
        return (select o.status from wflows.media o where o.company_id = p_company and o.id = p_id);
    end if;
    select f.* into r from wflows.flow_responses f where f.company_id = p_company and f.id = m.response_id;
    perform wflows.event_tell(p_company, m.account_id,
        case when p_status = 'stored' then 'flow_media_stored' else 'flow_media_failed' end,
        'flow_media:' || p_id || ':' || p_status, wflows.media_json(m), r.phone_number, r.message_id);
    return p_status;
end
$$;

revoke execute on function wflows.media_add(uuid, uuid, uuid, uuid, text, json),
                           wflows.media_done(uuid, uuid, text, text, bigint, text, text),
                           wflows.media_json(wflows.media) from public;
grant execute on function wflows.media_add(uuid, uuid, uuid, uuid, text, json),
                          wflows.media_done(uuid, uuid, text, text, bigint, text, text),
                          wflows.media_json(wflows.media) to wflows_app, wflows_platform;
