#!/usr/bin/perl
# Flows in the API: checked when they are saved, versions, switching on and off, tokens, simulation, and whose they are.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use Cpanel::JSON::XS ();
use Test::More;
use Wflows::Api;
use Wflows::Backend;
use Wflows::Flows qw(linear_flow);
use Wflows::Process qw(read_file);
use Wflows::Tenant;
use Wflows::Test qw(answers errlog_ok need start_stack);

need(qw(pg redis httpd));
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my ($true, $false) = (Cpanel::JSON::XS::true, Cpanel::JSON::XS::false);
my $stack = start_stack(server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\n");
my $dbh = $stack->dbh;
my $acme = Wflows::Tenant->add($stack, slug => 'acme', accounts => [{ name => 'main' }, { name => 'second' }]);
my $other = Wflows::Tenant->add($stack, slug => 'other', plan => 'starter', flows => { theirs => ['demo/appointment.json'] });
my $platform = Wflows::Api->new($stack);
my %as = map { $_ => $platform->as(role => $_, company => $acme->{id}) } qw(admin gestor operador leitura);
my ($main, $second) = map { $acme->{accounts}{$_}{id} } qw(main second);
my $path = "/companies/$acme->{id}/flows";
my $serial = 0;

sub status_is {
    my ($r, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($r->{status}, $status, $name) or diag($r->{body});
    return $r->{json};
}

sub refused_with {
    my ($r, $status, $code, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . (($r->{json} // {})->{code} // ''), "$status $code", $name) or diag($r->{body});
    return $r->{json};
}

sub invalid {
    my ($r, $pointers, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$r->{status} " . Wflows::Api::pointers($r), "422 $pointers", $name) or diag($r->{body});
}

sub make_key {
    my ($scopes, @accounts) = @_;
    my $made = $as{admin}->must('POST', "/companies/$acme->{id}/api-keys", { name => "k@{[++$serial]}", scopes => $scopes, whatsapp_account_ids => \@accounts });
    return $platform->as_key($made->{key});
}

my $flow_text = read_file('demo/appointment.json');
my $flow_json = $json->decode($flow_text);
my $logic = $json->decode(read_file('demo/appointment.logic.json'));

# ---- making ------------------------------------------------------------------------------------------------

my $r = $as{gestor}->post($path, { name => 'booking', display_name => 'Reservas ü', flow_json => $flow_json, logic => $logic });
my $flow = status_is($r, 201, 'a flow is made of objects');
is($r->{headers}{location}, "/api/v2$path/$flow->{id}", 'the answer says where it is');
is_deeply([@{$flow}{qw(name display_name status active_version latest_version account_id)}], ['booking', 'Reservas ü', 'active', 1, 1, undef], 'and what it is');
is(ref $flow->{warnings}, 'ARRAY', 'with warnings');
answers($acme->client(flow => 'booking', token => 'tok-1')->init, 'CHOOSE_SERVICE', 'it answers at once');
my $texts = status_is($as{gestor}->post($path, { name => 'texts', flow_json => $flow_text, logic => $json->encode($logic), activate => $false }), 201, 'or of texts');
is($texts->{active_version}, undef, 'without being activated');
is(status_is($as{leitura}->get("$path/$texts->{id}/versions/1"), 200, 'its version')->{flow_json}{version}, $flow_json->{version}, 'has its Flow JSON');
is($dbh->selectrow_array('select flow_json from wflows.flow_versions where flow_id = ?', undef, $texts->{id}), $flow_text, 'kept as it was written, to the byte');
refused_with($as{gestor}->post($path, { name => 'booking', flow_json => $flow_json }), 409, 'name_taken', 'a name is taken once');
$platform->must('POST', "/companies/$other->{id}/flows", { name => "f$_", flow_json => $flow_json }) for 2 .. 10;
refused_with($platform->post("/companies/$other->{id}/flows", { name => 'f11', flow_json => $flow_json }), 409, 'limit_reached', 'the plan has its limit');

# ---- what is wrong ------------------------------------------------------------------------------------------

my $bad = $json->decode($flow_text);
delete $bad->{screens}[0]{id};
$bad->{screens}[1]{layout}{children}[0]{type} = 'Nonsense';
my $bad_reply = $as{gestor}->post($path, { name => 'no spaces', account_id => 'x', bogus => 1, activate => 'yes', flow_json => $bad });
is($bad_reply->{status}, 422, 'what breaks rules is refused');
my %at = map { $_->{pointer} => $_->{message} } @{ $bad_reply->{json}{errors} };
ok($at{$_}, "all at once: $_") for qw(/name /account_id /bogus /activate /flow_json/screens/0 /flow_json/screens/1/layout/children/0/type);
like($at{'/flow_json/screens/0'}, qr/^MISSING_REQUIRED_PROPERTY: /, "with Meta's name of the error");
invalid($as{gestor}->post($path, { name => 'x' }), '/flow_json', 'a flow has Flow JSON');
invalid($as{gestor}->post($path, { name => 'x', flow_json => 7, logic => [] }), '/flow_json /logic', 'which is an object, as is logic');
invalid($as{gestor}->post($path, { name => 'x', flow_json => $flow_json, logic => '{"init": ' }), '/logic', 'a text that is not JSON is found');
invalid($as{gestor}->post($path, { name => 'x', flow_json => $flow_json, logic => { screens => { NOWHERE => [] } } }), '/logic/screens/NOWHERE', 'logic is checked against the flow');
invalid($as{gestor}->post($path, { name => 'x', flow_json => '{"version":' }), '/flow_json', 'Flow JSON that is none');
invalid($as{gestor}->post($path, { name => 'x', flow_json => $flow_json, account_id => '00000000-0000-7000-8000-000000000000' }), '/account_id', 'the account must be there');
is(scalar @{ $as{gestor}->get($path)->{json}{data} }, 2, 'nothing of that was stored');

# ---- reading ----------------------------------------------------------------------------------------------

$r = $as{leitura}->get("$path/$flow->{id}");
status_is($r, 200, 'a flow is read');
status_is($as{leitura}->get("$path/$flow->{id}", headers => { 'if-none-match' => $r->{etag} }), 304, 'and known again by its ETag');
is(join(' ', map { $_->{name} } @{ $as{leitura}->get("$path?sort=name")->{json}{data} }), 'booking texts', 'the list, by name');
is(join(' ', map { $_->{name} } @{ $as{leitura}->get($path)->{json}{data} }), 'texts booking', 'the newest first otherwise');
is(join(' ', map { $_->{name} } @{ $as{leitura}->get("$path?name=texts&status=active")->{json}{data} }), 'texts', 'by what was asked for');
invalid($as{leitura}->get("$path?status=on&account_id=1&x=2"), '?x', 'a parameter that is not known is refused');
invalid($as{leitura}->get("$path?status=on&account_id=1"), '?account_id ?status', 'and every one that is wrong named');
my $page = $as{leitura}->get("$path?limit=1&sort=name")->{json};
is($as{leitura}->get("$path?limit=1&sort=name&cursor=$page->{next_cursor}")->{json}{data}[0]{name}, 'texts', 'pages follow one another');

# ---- changing ----------------------------------------------------------------------------------------------

my $v2 = $json->decode($flow_text);
$v2->{screens}[0]{title} = 'Two';
my $etag = $r->{etag};
$r = $as{gestor}->patch("$path/$flow->{id}", { flow_json => $v2 }, if_match => $etag);
is_deeply([@{ status_is($r, 200, 'another flow_json') }{qw(active_version latest_version)}], [2, 2], 'is another version, and the active one');
ok($as{leitura}->get("$path/$flow->{id}/versions/2")->{json}{logic}{init}, 'with the logic that was there');
refused_with($as{gestor}->patch("$path/$flow->{id}", { display_name => 'x' }, if_match => $etag), 412, 'precondition_failed', 'an older ETag is refused');
is(status_is($as{gestor}->patch("$path/$flow->{id}", { flow_json => $v2 }), 200, 'the same again')->{latest_version}, 2, 'makes no version');
$r = status_is($as{gestor}->patch("$path/$flow->{id}", { logic => undef, activate => $false }), 200, 'logic can be taken away');
is_deeply([@{$r}{qw(active_version latest_version)}], [2, 3], 'in a version that waits');
is($as{leitura}->get("$path/$flow->{id}/versions/3")->{json}{logic}, undef, 'and has none');
is(status_is($as{gestor}->patch("$path/$flow->{id}", { display_name => 'New', account_id => $main }), 200, 'other members')->{latest_version}, 3, 'make none');
invalid($as{gestor}->patch("$path/$flow->{id}", { name => 'other' }), '/name', 'a flow keeps its name');
status_is($as{gestor}->patch("$path/$flow->{id}", { name => 'booking' }), 200, 'though it may be said');
invalid($as{gestor}->patch("$path/$flow->{id}", { display_name => undef, flow_json => undef, x => 1 }), '/display_name /flow_json /x', 'null takes away only what may go');
invalid($as{gestor}->patch("$path/$flow->{id}", { activate => $true }), '/activate', 'activating what is there is another call');
invalid($as{gestor}->put("$path/$flow->{id}", { name => 'booking' }), '/flow_json', 'a replacement is whole');
$r = status_is($as{gestor}->put("$path/$flow->{id}", { name => 'booking', flow_json => $flow_json, logic => $logic }), 200, 'what is left out of a replacement');
is_deeply([@{$r}{qw(display_name account_id latest_version active_version)}], ['booking', undef, 4, 4], 'goes back to its default');
is(join(' ', map { "$_->{version}" . ($_->{active} ? '*' : '') . ($_->{has_logic} ? 'l' : '') } @{ $as{leitura}->get("$path/$flow->{id}/versions")->{json}{data} }), '4*l 3 2l 1l', 'its versions');
refused_with($as{leitura}->get("$path/$flow->{id}/versions/$_"), 404, 'not_found', "version '$_' is not there") for qw(5 0 x 99999999999 -1);

# ---- on and off ---------------------------------------------------------------------------------------------

is(status_is($as{gestor}->post("$path/$flow->{id}/deactivate"), 200, 'a flow is switched off')->{status}, 'inactive', 'and says so');
is($acme->client(flow => 'booking', token => 'tok-off')->init->{status}, 404, 'it does not answer');
$r = status_is($as{gestor}->post("$path/$flow->{id}/activate", { version => 2 }), 200, 'and on');
is_deeply([@{$r}{qw(status active_version)}], ['active', 2], 'with the version that is named');
answers($acme->client(flow => 'booking', token => 'tok-on')->init, 'CHOOSE_SERVICE', 'it answers');
invalid($as{gestor}->post("$path/$flow->{id}/activate", { version => $_ }), '/version', "there is no version $_") for 5, 0, '"2"';
is(status_is($as{gestor}->post("$path/$texts->{id}/activate"), 200, 'a flow that never was')->{active_version}, 1, 'gets its newest');

# ---- tokens -----------------------------------------------------------------------------------------------

my $tokens = status_is($as{operador}->post("$path/$flow->{id}/tokens", { count => 3, ttl => 3600 }), 201, 'tokens are issued');
is(scalar @{ $tokens->{data} }, 3, 'as many as were asked for');
is($tokens->{account_id}, $main, 'for the default account');
is(status_is($as{operador}->post("$path/$flow->{id}/tokens"), 201, 'one')->{data}[1], undef, 'if none is said');
answers($acme->client(flow => 'booking', token => $tokens->{data}[0]{flow_token})->init, 'CHOOSE_SERVICE', 'such a token is good');
is($acme->client(flow => 'texts', token => $tokens->{data}[1]{flow_token})->init->{status}, 427, 'for its flow only');
my $bound = $as{operador}->post("$path/$flow->{id}/tokens", { account_id => $second })->{json}{data}[0]{flow_token};
is($acme->client(flow => 'booking', token => $bound)->init->{status}, 427, 'and for its account');
answers($acme->client(flow => 'booking', account => 'second', token => $bound)->init, 'CHOOSE_SERVICE', 'which is this one');
invalid($as{operador}->post("$path/$flow->{id}/tokens", { count => 101, ttl => 59, account_id => 'x', y => 1 }), '/account_id /count /ttl /y', 'within bounds');
invalid($as{operador}->post("$path/$flow->{id}/tokens", { account_id => $other->{accounts}{main}{id} }), '/account_id', 'no account of another company');

# ---- playing ----------------------------------------------------------------------------------------------

sub counts {
    return join ' ', map { $dbh->selectrow_array("select count(*) from wflows.$_ where company_id = ?", undef, $acme->{id}) }
        qw(flow_sessions flow_responses webhook_events audit_logs outbox);
}
my $before = counts();
my $redis = $stack->redis->client;
sub used { return join ' ', map { "$_ " . ($redis->hget($_, 'n') // '') } grep { /:use:/ } sort $redis->keys('*') }
my $used = used();
my @keys = sort $redis->keys('*');
my $play = sub { my ($state, %o) = @_; return $as{operador}->post("$path/$flow->{id}/simulate", { version => 4, ($state ? (session => $state->{session}) : ()), %o }) };
my $p = status_is($play->(undef), 200, 'an exchange is played');
is_deeply([@{$p}{qw(outcome completed broken_rule flow_version)}, $p->{reply}{screen}], ['reply', $false, undef, 4, 'CHOOSE_SERVICE'], 'INIT comes first');
$p = status_is($play->($p, screen => 'CHOOSE_SERVICE', data => { service => 'haircut', day => '2030-05-17' }), 200, 'the next one, with its session');
is($p->{reply}{data}{intro}, 'Times for haircut on 2030-05-17:', 'goes on from there');
is($play->($p, action => 'BACK', screen => 'CHOOSE_TIME')->{json}{reply}{screen}, 'CHOOSE_SERVICE', 'or back');
$p = $play->($p, screen => 'CHOOSE_TIME', data => { time => '0900', name => 'Ada', age => '17' })->{json};
is($p->{reply}{data}{error_message}, 'You have to be 18 or older to book.', 'logic decides');
$p = $play->($p, screen => 'CHOOSE_TIME', data => { time => '0900', name => 'Ada', age => '36' })->{json};
$p = $play->($p, screen => 'CONFIRM', data => { reminder => $true })->{json};
is_deeply([$p->{completed}, $p->{response}{name}, $p->{session}{status}], [$true, 'Ada', 'completed'], 'to the end');
is($play->($p, screen => 'CHOOSE_SERVICE', data => {})->{json}{outcome}, 'refused', 'after which nothing more is answered');
like($play->(undef, screen => 'NOWHERE', action => 'data_exchange')->{json}{broken_rule} // '', qr/\S/, 'what the check of the answer says is told');
invalid($play->(undef, action => 'ping'), '/action', 'a ping reaches no flow');
invalid($play->(undef, version => 9), '/version', 'the version is one of the flow');
invalid($play->({ session => { id => 1 } }), '/session', 'the session is one that was answered');
invalid($play->(undef, data => [], screen => 1, ask_backend => 'x', backend_answer => 2, nonsense => 3), '/ask_backend /backend_answer /data /nonsense /screen', 'and all that is wrong is told');
my $session = $play->(undef)->{json}{session};
for my $odd ({ screen => 'NOWHERE', history => ['NOWHERE'] }, { screen => undef, history => [] }, { history => [('CHOOSE_TIME') x 200] }, { reply => { screen => 1, data => [] }, reply_kind => 'x' },
    { answers => { a => 'x' x 300_000 } }, { step => 9_000_000_000 }, { expires_at => 1, started_at => 0 }) {
    my @replies = map { $play->({ session => { %$session, %$odd } }, action => $_, screen => 'CHOOSE_SERVICE', data => { service => 'haircut', day => '2030-05-17' }) } qw(data_exchange BACK INIT);
    is(join(' ', map { $_->{status} } @replies), '200 200 200', 'a session that is made up is played too: ' . substr($json->encode($odd), 0, 60))
        or diag(map { substr($_->{body}, 0, 300) } @replies);
}
is(counts(), $before, 'nothing was written');
is_deeply([sort $redis->keys('*')], \@keys, 'nothing kept in Redis');
is(used(), $used, 'nothing counted');
like($used, qr/\{acme\}:use:\S+ [1-9]/, 'where real exchanges were');

my $shop = Wflows::Backend->start(log => "$stack->{dir}/shop.log", answer => sub { [200, {}, $json->encode({ screen => 'SECOND', data => {} })] });
my $asking = status_is($as{gestor}->post($path, { name => 'asking', flow_json => linear_flow(['FIRST', 'SECOND']),
    logic => { screens => { FIRST => [{ ask => 'backend' }] }, backend => { url => $shop->url('/flows'), on_failure => { error_message => 'Later.' } } } }), 201, "a flow that asks the company's server");
my $ask = sub { return $as{operador}->post("$path/$asking->{id}/simulate", { action => 'data_exchange', screen => 'FIRST', data => { a => 1 }, @_ })->{json} };
my $question = $ask->();
is_deeply([$question->{outcome}, $question->{reply}, $question->{question}{data}], ['backend', undef, { a => 1 }], 'tells what it would ask');
is_deeply([$shop->requests], [], 'and asks nobody');
is($ask->(backend_answer => { error_message => 'No.' })->{reply}{data}{error_message}, 'No.', 'an answer may be made up');
is($ask->(ask_backend => $true)->{reply}{data}{error_message}, 'Later.', 'asked without a secret to sign with, on_failure answers');
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'callback-secret' => 'whsec_' . 'c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmU=' });
is($ask->(ask_backend => $true)->{reply}{screen}, 'SECOND', 'and with one the server does');
is(scalar(my @asked = $shop->requests), 1, 'once');
ok($asked[0]{headers}{'webhook-signature'}, 'signed');
$shop->stop;
# ---- who may ------------------------------------------------------------------------------------------------

refused_with($as{operador}->post($path, { name => 'n', flow_json => $flow_json }), 403, 'forbidden', 'an operador makes no flow');
refused_with($as{leitura}->post("$path/$flow->{id}/tokens"), 403, 'forbidden', 'a reader no tokens');
my $theirs = $platform->get("/companies/$other->{id}/flows")->{json}{data}[0]{id};
refused_with($as{admin}->get("$path/$theirs"), 404, 'not_found', "another company's flow is not there");
refused_with($as{admin}->post("$path/$theirs/$_", {}), 404, 'not_found', "nor can one $_ it") for qw(activate deactivate tokens simulate);
refused_with($as{admin}->get("$path/$theirs/$_"), 404, 'not_found', "nor see its $_") for qw(versions versions/1 sessions responses sessions/export responses/export);
refused_with($as{admin}->delete("$path/$theirs"), 404, 'not_found', 'nor remove it');
refused_with($as{admin}->get("/companies/$other->{id}/flows"), 404, 'not_found', 'nor the company');

my $key = make_key(['read:flows', 'write:flows'], $second);
is_deeply($key->get($path)->{json}{data}, [], 'a key of one account does not see flows of all accounts');
refused_with($key->get("$path/$flow->{id}"), 404, 'not_found', 'nor read one');
refused_with($key->patch("$path/$flow->{id}", { display_name => 'x' }), 404, 'not_found', 'nor change one');
refused_with($key->post("$path/$flow->{id}/tokens", { account_id => $second }), 404, 'not_found', 'nor make tokens for one');
refused_with($key->post($path, { name => 'mine', flow_json => $flow_json, ($_ ? (account_id => $_) : ()) }), 403, 'key_of_accounts', 'nor make one for ' . ($_ ? 'another account' : 'all')) for undef, $main;
my $mine = status_is($key->post($path, { name => 'mine', flow_json => $flow_json, account_id => $second }), 201, 'it makes its own');
refused_with($key->patch("$path/$mine->{id}", { account_id => $_ }), 403, 'key_of_accounts', 'and cannot give it away') for $main, undef;
is(status_is($key->post("$path/$mine->{id}/tokens"), 201, 'its tokens')->{account_id}, $second, 'are for its account');
refused_with(make_key(['read:flows'])->post($path, {}), 403, 'forbidden', 'without write:flows nothing is made');

# ---- removing ------------------------------------------------------------------------------------------------

$etag = $as{gestor}->get("$path/$texts->{id}")->{etag};
status_is($as{gestor}->delete("$path/$texts->{id}", if_match => '"x"'), 412, 'not the version that was seen');
status_is($as{gestor}->delete("$path/$texts->{id}", if_match => $etag), 204, 'a flow is removed');
refused_with($as{gestor}->get("$path/$texts->{id}"), 404, 'not_found', 'and gone');
status_is($as{gestor}->post($path, { name => 'texts', flow_json => $flow_json }), 201, 'its name is free');

my $audit = join("\n", map { $_->[0] } @{ $dbh->selectall_arrayref('select row_to_json(l)::text from wflows.audit_logs l where company_id = ?', undef, $acme->{id}) });
like($audit, qr/"action":"flow\.$_"/, "flow.$_ is audited") for qw(created version_added updated activated deactivated deleted tokens_issued);
unlike($audit, qr/wfb1\./, 'without the tokens');
$stack->{known_secrets}{'a flow token'} = $tokens->{data}[0]{flow_token};
errlog_ok($stack, ignore => ['WF0241', 'WF0420', 'WF0424']);
done_testing();
