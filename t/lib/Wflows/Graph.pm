package Wflows::Graph;

# Meta's Graph API on loopback, as far as a WhatsApp account needs it (WHATSAPP.md section 5): public keys, numbers,
# flows and messages. It checks what it gets as Meta does, and more strictly: what a client of Meta must not send is
# written down too (`complaints`). Each step can be told to fail.
#
#   key_upload key_read number_read waba_numbers waba_apps debug_token
#   flow_create flow_update flow_assets flow_publish flow_deprecate flow_read message_send

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Crypt::PK::RSA;
use Fcntl qw(:flock);
use Time::HiRes qw(sleep);
use Wflows::Backend;
use Wflows::Process qw(read_file write_file);

my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
my $VERSION_PATH = 'v23.0';

my %number_fields = map { $_ => 1 } qw(id display_phone_number verified_name quality_rating code_verification_status
    name_status status platform_type throughput account_mode);
my %flow_fields = map { $_ => 1 } qw(id name categories status validation_errors json_version data_api_version endpoint_uri);

# method, path pattern, step, handler
my @routes = (
    [GET => qr{^/debug_token$}, 'debug_token', \&_debug_token],
    [POST => qr{^/(\d+)/whatsapp_business_encryption$}, 'key_upload', \&_key_upload],
    [GET => qr{^/(\d+)/whatsapp_business_encryption$}, 'key_read', \&_key_read],
    [GET => qr{^/(\d+)/phone_numbers$}, 'waba_numbers', \&_waba_numbers],
    [GET => qr{^/(\d+)/subscribed_apps$}, 'waba_apps', \&_waba_apps],
    [POST => qr{^/(\d+)/messages$}, 'message_send', \&_message_send],
    [POST => qr{^/(\d+)/flows$}, 'flow_create', \&_flow_create],
    [POST => qr{^/(\d+)/assets$}, 'flow_assets', \&_flow_assets],
    [POST => qr{^/(\d+)/publish$}, 'flow_publish', \&_flow_publish],
    [POST => qr{^/(\d+)/deprecate$}, 'flow_deprecate', \&_flow_deprecate],
    [POST => qr{^/(\d+)$}, 'flow_update', \&_flow_update],
    [GET => qr{^/(\d+)$}, undef, \&_node_read],
);

# dir: for its files; token: the access token that it takes; apps: ids subscribed to every WABA
sub start {
    my ($class, %o) = @_;
    my $self = bless { apps => ['4400000000001'], %o }, $class;
    write_file($self->_file, $json->encode({ numbers => {}, flows => {}, messages => [], fail => {}, complaints => [], next => 1000 }));
    $self->{backend} = Wflows::Backend->start(log => "$o{dir}/graph.ndjson", answer => sub { $self->_answer(@_) });
    return $self;
}

sub _file { return "$_[0]{dir}/graph.json" }

# Runs `work` with the state under a lock and keeps what it changed; returns what it returns.
sub _state {
    my ($self, $work) = @_;
    open(my $lock, '>>', $self->_file . '.lock') or die $!;
    flock($lock, LOCK_EX) or die $!;
    my $state = $json->decode(read_file($self->_file));
    my @got = $work->($state);
    write_file($self->_file . '.new', $json->encode($state));
    rename($self->_file . '.new', $self->_file) or die $!;
    return wantarray ? @got : $got[0];
}

# ---- what a test says and asks ----------------------------------------------------------------------------

sub url { my ($self, $path) = @_; return $self->{backend}->url("/$VERSION_PATH" . ($path // '')) }
sub origin { my ($self) = @_; return $self->{backend}->url('') =~ s{/$}{}r }
# The directives that make a server use it.
sub directives { my ($self) = @_; return 'WflowsFlowMediaHost ' . $self->origin . "\nWflowsFlowGraphURL " . $self->url . "\n" }

# A registered number; fields as GET shows them, besides waba.
sub add_number {
    my ($self, $id, %o) = @_;
    $self->_state(sub { $_[0]{numbers}{$id} = { waba => $o{waba}, fields => { id => "$id", display_phone_number => '+55 11 5555-0100',
        verified_name => 'Acme', quality_rating => 'GREEN', code_verification_status => 'VERIFIED', platform_type => 'CLOUD_API', %{ $o{fields} // {} } } } });
    return $self;
}

# From now on this step fails: code (of Meta's error), message, details, user_msg, status, transient; or body
# (anything at all); drop: no answer; hang: seconds before it; after: it is done all the same; times (else for ever). Without
# anything: as before.
sub fail {
    my ($self, $step, %how) = @_;
    $self->_state(sub { if (%how) { $_[0]{fail}{$step} = \%how } else { delete $_[0]{fail}{$step} } });
    return $self;
}

sub number { my ($self, $id) = @_; return $self->_state(sub { $_[0]{numbers}{$id} }) }
sub set_number { my ($self, $id, %o) = @_; $self->_state(sub { $_[0]{numbers}{$id} = { %{ $_[0]{numbers}{$id} }, %o } }); return $self }
sub flow { my ($self, $id) = @_; return $self->_state(sub { $_[0]{flows}{$id} }) }
sub messages { my ($self) = @_; return @{ $self->_state(sub { $_[0]{messages} }) } }
sub complaints { my ($self) = @_; return @{ $self->_state(sub { $_[0]{complaints} }) } }
# What came, in order: [step, path without version, request].
sub calls {
    my ($self) = @_;
    return map { my $r = $_; my ($path) = $r->{path} =~ m{^/$VERSION_PATH([^?]*)}; [_step($r->{method}, $path), $path, $r] } $self->{backend}->requests;
}
sub steps { my ($self) = @_; return map { $_->[0] } $self->calls }
sub stop { my ($self) = @_; return $self->{backend}->stop }

# ---- answering --------------------------------------------------------------------------------------------

sub _step {
    my ($method, $path) = @_;
    for my $route (@routes) {
        return $route->[2] // 'node_read' if $route->[0] eq $method && $path =~ $route->[1];
    }
    return 'unknown';
}

sub _error {
    my (%o) = @_;
    my $code = $o{code} // 100;
    my %status = (0 => 401, 190 => 401, 10 => 403, 200 => 403, 131005 => 403, 2 => 503, 131000 => 500, 131016 => 500);
    my %error = (message => $o{message} // "(#$code) Something is wrong", type => 'OAuthException', code => $code, fbtrace_id => 'AbC123xyz');
    $error{error_data} = { messaging_product => 'whatsapp', details => $o{details} } if defined $o{details};
    $error{error_user_title} = 'Title' if defined $o{user_msg};
    $error{error_user_msg} = $o{user_msg} if defined $o{user_msg};
    $error{is_transient} = Cpanel::JSON::XS::true if $o{transient};
    return [$o{status} // $status{$code} // 400, { 'Content-Type' => 'application/json' }, $json->encode({ error => \%error })];
}

sub _ok { my ($doc) = @_; return [200, { 'Content-Type' => 'application/json; charset=UTF-8', 'x-fb-trace-id' => 'AbC123xyz' }, $json->encode($doc)] }

sub _answer {
    my ($self, $request) = @_;
    my ($path, $query) = $request->{path} =~ m{^/\Q$VERSION_PATH\E(/[^?]*)(?:\?(.*))?$} or return _error(code => 2500, message => 'Unknown path components');
    my ($route) = grep { $_->[0] eq $request->{method} && $path =~ $_->[1] } @routes;
    return _error(code => 100, message => "Unsupported $request->{method} request") unless $route;
    my ($id) = $path =~ $route->[1];

    my ($step, $handler) = @$route[2, 3];
    my $is_flow = $self->_state(sub { exists $_[0]{flows}{ $id // '' } });
    $step //= $is_flow ? 'flow_read' : 'number_read';
    my $how = $self->_state(sub {
        my $f = $_[0]{fail}{$step} or return undef;
        delete $_[0]{fail}{$step} if defined $f->{times} && --$f->{times} <= 0;
        return $f;
    });
    if (($request->{headers}{authorization} // '') ne "Bearer $self->{token}") {
        my $given = ($request->{headers}{authorization} // '') =~ s/^Bearer //r;
        return _error(code => 190, message => $given eq '' ? 'An access token is required' : "Malformed access token $given");
    }
    my $answer;
    $answer = $self->_state(sub { $handler->($self, $_[0], $id, $request, _form($query // '')) }) unless $how && !$how->{after} && !exists $how->{hang};
    sleep $how->{hang} if $how && $how->{hang};
    return undef if $how && $how->{drop};
    return [$how->{status} // 200, {}, $how->{body}] if $how && defined $how->{body};
    return _error(%$how) if $how && (defined $how->{code} || defined $how->{status});
    return $answer;
}

sub _complain { my ($state, $text) = @_; push @{ $state->{complaints} }, $text; return }

# application/x-www-form-urlencoded to a hash; the text of each value.
sub _form {
    my ($text) = @_;
    my %form;
    for my $pair (split /&/, $text) {
        my ($name, $value) = map { my $v = $_ // ''; $v =~ tr/+/ /; $v =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge; $v } split(/=/, $pair, 2);
        $form{$name} = $value;
    }
    return \%form;
}

# multipart/form-data to name => { filename, type, content }.
sub _multipart {
    my ($request) = @_;
    my ($boundary) = ($request->{headers}{'content-type'} // '') =~ m{^multipart/form-data;\s*boundary="?([^";]+)"?$} or return undef;
    return undef unless $request->{body} =~ s/\r\n--\Q$boundary\E--\r\n\z// && $request->{body} =~ s/\A--\Q$boundary\E\r\n//;
    my %parts;
    for my $part (split /\r\n--\Q$boundary\E\r\n/, $request->{body}) {
        my ($head, $content) = split(/\r\n\r\n/, $part, 2);
        my ($name) = $head =~ /^Content-Disposition: form-data; name="([^"]+)"/mi or return undef;
        $parts{$name} = { filename => ($head =~ /filename="([^"]+)"/)[0], type => ($head =~ /^Content-Type: (\S+)/mi)[0], content => $content };
    }
    return \%parts;
}

sub _body {
    my ($state, $request) = @_;
    my $type = $request->{headers}{'content-type'} // '';
    return _form($request->{body}) if $type =~ m{^application/x-www-form-urlencoded};
    my $doc = $type =~ m{^application/json} ? eval { $json->decode($request->{body}) } : undef;
    _complain($state, "a body of type '$type' that cannot be read") unless ref $doc eq 'HASH';
    return ref $doc eq 'HASH' ? $doc : {};
}

# ---- keys and numbers ---------------------------------------------------------------------------------------

sub _key_upload {
    my ($self, $state, $id, $request) = @_;
    my $number = $state->{numbers}{$id} or return _error(code => 100, message => "Unsupported post request. Object with ID '$id' does not exist");
    my $pem = _body($state, $request)->{business_public_key} // '';
    my $key = eval { Crypt::PK::RSA->new(\$pem) };
    return _error(code => 100, message => '(#100) Invalid parameter', details => 'business_public_key is not a 2048-bit RSA public key')
        unless $key && !$key->is_private && $key->size == 256 && $pem =~ /\A-----BEGIN PUBLIC KEY-----\n/;
    @$number{qw(public_key signature)} = ($pem, 'VALID');
    return _ok({ success => Cpanel::JSON::XS::true });
}

sub _key_read {
    my ($self, $state, $id) = @_;
    my $number = $state->{numbers}{$id} or return _error(code => 100, message => 'Unsupported get request');
    return _ok({ data => [] }) unless $number->{public_key};
    return _ok({ data => [{ business_public_key => $number->{public_key}, business_public_key_signature_status => $number->{signature} }] });
}

sub _node_read {
    my ($self, $state, $id, $request, $query) = @_;
    my $flow = $state->{flows}{$id};
    my $known = $flow ? \%flow_fields : \%number_fields;
    my $node = $flow // ($state->{numbers}{$id} // return _error(code => 100, message => 'Unsupported get request'))->{fields};
    my @fields = split(/,/, $query->{fields} // 'id');
    my ($bad) = grep { !$known->{$_} } @fields;
    return _error(code => 100, message => "(#100) Tried accessing nonexisting field ($bad)") if defined $bad;
    return _ok({ id => "$id", map { exists $node->{$_} ? ($_ => $node->{$_}) : () } @fields });
}

sub _waba_numbers {
    my ($self, $state, $id) = @_;
    return _ok({ data => [map { { id => "$_" } } grep { ($state->{numbers}{$_}{waba} // '') eq $id } sort keys %{ $state->{numbers} }] });
}

sub _waba_apps {
    my ($self) = @_;
    return _ok({ data => [map { { whatsapp_business_api_data => { id => $_, name => 'wflows', link => 'https://app.invalid/' } } } @{ $self->{apps} }] });
}

sub _debug_token {
    my ($self, $state, $id, $request, $query) = @_;
    return _ok({ data => { is_valid => $query->{input_token} eq $self->{token} ? Cpanel::JSON::XS::true : Cpanel::JSON::XS::false,
        type => 'SYSTEM_USER', app_id => '4400000000001', expires_at => 0, scopes => $self->{scopes} // ['whatsapp_business_management', 'whatsapp_business_messaging'] } });
}

# ---- flows ----------------------------------------------------------------------------------------------------

my @categories = qw(SIGN_UP SIGN_IN APPOINTMENT_BOOKING LEAD_GENERATION CONTACT_US CUSTOMER_SUPPORT SURVEY OTHER);

sub _flow_create {
    my ($self, $state, $waba, $request) = @_;
    my $body = _body($state, $request);
    my $names = $body->{categories};
    $names = eval { $json->decode($names) } unless ref $names;
    return _error(code => 100, details => 'name is required') unless length($body->{name} // '');
    return _error(code => 100, details => 'categories is not a list of known words')
        unless ref $names eq 'ARRAY' && @$names && !grep { my $n = $_; !grep { $_ eq $n } @categories } @$names;
    return _error(code => 100, details => 'Flow name is not unique', user_msg => 'Choose another name for the flow.')
        if grep { $_->{waba} eq $waba && $_->{name} eq $body->{name} } values %{ $state->{flows} };
    my $id = 8_800_000_000 + $state->{next}++;
    $state->{flows}{$id} = { waba => $waba, name => $body->{name}, categories => $names, status => 'DRAFT', validation_errors => [],
        $body->{endpoint_uri} ? (endpoint_uri => $body->{endpoint_uri}) : () };
    return _ok({ id => "$id", success => Cpanel::JSON::XS::true, validation_errors => [] });
}

sub _flow_update {
    my ($self, $state, $id, $request) = @_;
    my $flow = $state->{flows}{$id} or return _error(code => 100, message => "Unsupported post request. Object with ID '$id' does not exist");
    my $body = _body($state, $request);
    for my $name (keys %$body) {
        return _error(code => 100, details => "unknown parameter $name") unless $name =~ /^(name|categories|endpoint_uri|application_id)$/;
        $flow->{$name} = $body->{$name};
    }
    return _ok({ success => Cpanel::JSON::XS::true });
}

sub _flow_assets {
    my ($self, $state, $id, $request) = @_;
    my $flow = $state->{flows}{$id} or return _error(code => 100, message => 'Unsupported post request');
    return _error(code => 139001, details => 'Flow is deprecated') if $flow->{status} eq 'DEPRECATED';
    my $parts = _multipart($request);
    return _error(code => 100, details => 'file is required') unless $parts && $parts->{file};
    _complain($state, 'the file is not application/json') unless ($parts->{file}{type} // '') eq 'application/json' && $parts->{file}{filename};
    return _error(code => 100, details => 'name must be flow.json') unless ($parts->{name}{content} // '') eq 'flow.json';
    return _error(code => 100, details => 'asset_type must be FLOW_JSON') unless ($parts->{asset_type}{content} // '') eq 'FLOW_JSON';
    my $doc = eval { $json->decode($parts->{file}{content}) };
    return _error(code => 139001, details => 'JSON processing failed') unless ref $doc eq 'HASH';
    $flow->{flow_json} = $parts->{file}{content};
    $flow->{validation_errors} = $state->{validation_errors} // [];
    $flow->{status} = 'DRAFT';
    $flow->{json_version} = $doc->{version};
    $flow->{data_api_version} = $doc->{data_api_version};
    return _ok({ success => Cpanel::JSON::XS::true, validation_errors => $flow->{validation_errors} });
}

# What the next uploads of a flow's JSON are told.
sub validation_errors { my ($self, @errors) = @_; $self->_state(sub { $_[0]{validation_errors} = \@errors }); return $self }

sub _flow_publish {
    my ($self, $state, $id) = @_;
    my $flow = $state->{flows}{$id} or return _error(code => 100, message => 'Unsupported post request');
    my $why = $flow->{status} ne 'DRAFT' ? 'Flow is not a draft' : !$flow->{flow_json} ? 'Flow has no JSON'
        : @{ $flow->{validation_errors} } ? 'Flow has validation errors'
        : $flow->{data_api_version} && !$flow->{endpoint_uri} ? 'endpoint_uri is not set'
        : !(grep { $_->{waba} eq $flow->{waba} && $_->{public_key} } values %{ $state->{numbers} }) ? 'no number of the WABA has a public key' : undef;
    return _error(code => 139002, message => '(#139002) Publishing failed', details => $why) if $why;
    $flow->{status} = 'PUBLISHED';
    return _ok({ success => Cpanel::JSON::XS::true });
}

sub _flow_deprecate {
    my ($self, $state, $id) = @_;
    my $flow = $state->{flows}{$id} or return _error(code => 100, message => 'Unsupported post request');
    return _error(code => 139003, details => 'Only published flows can be deprecated') unless $flow->{status} eq 'PUBLISHED';
    $flow->{status} = 'DEPRECATED';
    return _ok({ success => Cpanel::JSON::XS::true });
}

# ---- messages -------------------------------------------------------------------------------------------------

sub _message_send {
    my ($self, $state, $id, $request) = @_;
    my $number = $state->{numbers}{$id} or return _error(code => 100, message => 'Unsupported post request');
    my $m = _body($state, $request);
    my $why = ($m->{messaging_product} // '') ne 'whatsapp' ? 'messaging_product is not whatsapp'
        : !defined $m->{to} && !defined $m->{recipient} ? 'to is missing'
        : defined $m->{to} && $m->{to} !~ /^\d{5,20}$/ ? 'to is not a number'
        : ($m->{type} // '') eq 'interactive' ? _why_not_interactive($state, $number, $m->{interactive})
        : ($m->{type} // '') eq 'template' ? _why_not_template($m->{template}) : 'type is not known';
    return _error(code => 131009, message => '(#131009) Parameter value is not valid', details => $why) if $why;
    my $wamid = 'wamid.HBgM' . $state->{next}++;
    push @{ $state->{messages} }, { %$m, id => $wamid, number => $id };
    my $contact = defined $m->{to} ? { input => $m->{to}, wa_id => $m->{to} } : { input => $m->{recipient}, user_id => $m->{recipient} };
    return _ok({ messaging_product => 'whatsapp', contacts => [$contact], messages => [{ id => $wamid }] });
}

sub _why_not_interactive {
    my ($state, $number, $i) = @_;
    my $p = $i->{action}{parameters} // {};
    my $flow = $state->{flows}{ $p->{flow_id} // '' };
    my $data = ($p->{flow_action_payload} // {})->{data};
    return ($i->{type} // '') ne 'flow' || ($i->{action}{name} // '') ne 'flow' ? 'interactive is not a flow'
        : !length($i->{body}{text} // '') ? 'body is missing'
        : ($p->{flow_message_version} // '') ne '3' ? 'flow_message_version is not "3"'
        : !length($p->{flow_cta} // '') ? 'flow_cta is missing'
        : !length($p->{flow_token} // '') ? 'flow_token is missing'
        : !$flow || $flow->{waba} ne ($number->{waba} // '') ? 'no such flow'
        : ($p->{mode} // 'published') eq 'published' && $flow->{status} ne 'PUBLISHED' ? 'the flow is not published'
        : ($p->{flow_action} // 'navigate') !~ /^(navigate|data_exchange)$/ ? 'flow_action is not known'
        : ($p->{flow_action} // '') eq 'data_exchange' && exists $p->{flow_action_payload} ? 'flow_action_payload with data_exchange'
        : defined $data && !(ref $data eq 'HASH' && %$data) ? 'flow_action_payload.data is empty' : undef;
}

sub _why_not_template {
    my ($t) = @_;
    return 'template name is missing' unless length($t->{name} // '');
    return 'template language is missing' unless length($t->{language}{code} // '');
    my ($button) = grep { ($_->{type} // '') eq 'button' && ($_->{sub_type} // '') eq 'flow' } @{ $t->{components} // [] };
    return 'there is no flow button' unless $button;
    return 'the button has no index' unless ($button->{index} // '') =~ /^\d$/;
    my $action = $button->{parameters}[0];
    return 'the button has no action with a flow_token' unless ($action->{type} // '') eq 'action' && length($action->{action}{flow_token} // '');
    my $data = $action->{action}{flow_action_data};
    return 'flow_action_data is empty' if defined $data && !(ref $data eq 'HASH' && %$data);
    return undef;
}

1;
