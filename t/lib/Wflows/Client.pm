package Wflows::Client;

# A WhatsApp client: what the phone and Meta's relay do together (WHATSAPP.md section 1), on CryptX, so
# that the server's cryptography is checked by an implementation it shares nothing with.

use strict;
use warnings;

use Carp qw(croak);
use Cpanel::JSON::XS ();
use Crypt::AuthEnc::GCM ();
use Digest::SHA qw(hmac_sha256_hex);
use Crypt::PK::RSA ();
use Crypt::PRNG qw(random_bytes);
use HTTP::Tiny;
use MIME::Base64 qw(decode_base64 encode_base64);

my $json = Cpanel::JSON::XS->new->utf8->allow_nonref;

# url (of the endpoint), public_key (PEM text), app_secret, data_api (version, "3.0")
sub new {
    my ($class, %o) = @_;
    my $self = bless { data_api => '3.0', timeout => 15, %o }, $class;
    my $pem = $self->{public_key} // croak 'a client needs the public key';
    $self->{rsa} = Crypt::PK::RSA->new(\$pem);
    $self->{http} = HTTP::Tiny->new(timeout => $self->{timeout}, keep_alive => 1, max_redirect => 0);
    return $self;
}

# A copy with some members changed: another URL, token, secret …
sub with {
    my ($self, %o) = @_;
    return ref($self)->new((map { $_ => $self->{$_} } qw(url public_key app_secret data_api timeout token)), %o);
}

# ---- bytes -------------------------------------------------------------------------------------------

# `plain` is the text of the request. Returns the HTTP body and what opens the answer.
sub seal {
    my ($self, $plain, %o) = @_;
    my $key = $o{key} // random_bytes(16);
    my $iv = $o{iv} // random_bytes(16);
    my $gcm = Crypt::AuthEnc::GCM->new('AES', $key, $iv);
    my $data = $gcm->encrypt_add($plain);
    $data .= $gcm->encrypt_done;

    # CryptX (libtomcrypt) uses the named hash for OAEP and for MGF1 alike, which is what Meta does.
    my $wrapped = $self->{rsa}->encrypt($key, 'oaep', 'SHA256');
    my $body = $json->encode({
        encrypted_flow_data => encode_base64($data, ''),
        encrypted_aes_key => encode_base64($wrapped, ''),
        initial_vector => encode_base64($iv, ''),
    });
    $body =~ s{/}{\\/}g; # as Meta prints it: a legal escape that a server must undo
    return { body => $body, key => $key, iv => $iv };
}

# The plaintext of an answer body, or undef when it is not what the protocol says.
sub open_answer {
    my ($self, $body, $key, $iv) = @_;
    return undef unless $body =~ m{\A[A-Za-z0-9+/]+={0,2}\z} && length($body) % 4 == 0;
    my $raw = decode_base64($body);
    return undef if length($raw) < 16;
    my $gcm = Crypt::AuthEnc::GCM->new('AES', $key, $iv ^ ("\xff" x length($iv)));
    my ($sealed, $tag) = (substr($raw, 0, -16), substr($raw, -16));
    my $plain = $gcm->decrypt_add($sealed);
    return $gcm->decrypt_done($tag) ? $plain : undef;
}

sub signature {
    my ($self, $body, $secret) = @_;
    return 'sha256=' . hmac_sha256_hex($body, $secret // $self->{app_secret});
}

# ---- HTTP --------------------------------------------------------------------------------------------

# Posts bytes as they are. `signature`: undef signs with the app secret, '' sends none.
sub post {
    my ($self, $body, %o) = @_;
    my %headers = ('content-type' => 'application/json', %{ $o{headers} // {} });
    my $signature = $o{signature} // $self->signature($body);
    $headers{'x-hub-signature-256'} = $signature if $signature ne '';
    return $self->{http}->request($o{method} // 'POST', $o{url} // $self->{url},
        { headers => \%headers, content => $body });
}

# Encrypts and posts one request. `request` is a structure, or the plaintext itself. Returns
#   status, headers, body (as sent), plain (decrypted), answer (decoded), error (no HTTP answer)
sub send {
    my ($self, $request, %o) = @_;
    my $plain = ref $request ? $json->encode($request) : $request;
    my $sealed = $self->seal($plain, %o);
    my $r = $self->post($sealed->{body}, %o);
    my %answer = (
        status => $r->{status}, headers => $r->{headers}, body => $r->{content}, sealed => $sealed,
        error => $r->{status} == 599 ? $r->{content} : undef,
    );
    if ($r->{status} == 200 || $r->{status} == 427) {
        $answer{plain} = $self->open_answer($r->{content}, $sealed->{key}, $sealed->{iv});
        $answer{answer} = eval { $json->decode($answer{plain}) } if defined $answer{plain};
    }
    return \%answer;
}

# ---- the actions of a walk -----------------------------------------------------------------------------

sub ping { my ($self) = @_; return $self->send({ version => $self->{data_api}, action => 'ping' }) }

sub request {
    my ($self, $action, $screen, $data, %o) = @_;
    my $token = exists $o{token} ? delete $o{token} : $self->{token};
    return {
        version => $self->{data_api}, action => $action,
        defined $screen ? (screen => $screen) : (),
        defined $data ? (data => $data) : (),
        defined $token ? (flow_token => $token) : (),
        %o,
    };
}

sub init { my ($self, %o) = @_; return $self->send($self->request('INIT', '', {}, %o)) }

sub exchange {
    my ($self, $screen, $data, %o) = @_;
    return $self->send($self->request('data_exchange', $screen, $data, %o));
}

sub back { my ($self, $screen, %o) = @_; return $self->send($self->request('BACK', $screen, {}, %o)) }

# The client could not use our last answer (WHATSAPP.md 1.11).
sub report_error {
    my ($self, $screen, $error, %o) = @_;
    return $self->exchange($screen, { error => $error, error_message => 'as told by the test' }, %o);
}

1;
