import CGnuTLS

/// What is asked of GnuTLS itself, beside what libmicrohttpd does with it.
enum GnuTLS {
  /// Sends what fits into the socket's buffer, and says that nothing follows.
  ///
  /// - Parameter session: of a connection that libmicrohttpd serves
  static func send(_ bytes: [UInt8], over session: UnsafeMutableRawPointer) {
    let session = OpaquePointer(session)
    // Fails where the handshake is not complete.
    guard gnutls_record_send(session, bytes, bytes.count) >= 0 else { return }
    gnutls_bye(session, GNUTLS_SHUT_WR)
  }

  /// - Returns: why the certificates can't be used; nil if they can
  static func problem(certificates: [UInt8]) -> String? {
    certificates.withDatum { datum in
      var list: UnsafeMutablePointer<gnutls_x509_crt_t?>?
      var count: UInt32 = 0
      let code = gnutls_x509_crt_list_import2(&list, &count, datum, GNUTLS_X509_FMT_PEM, 0)
      guard code >= 0 else { return reason(code) }
      for index in 0..<Int(count) { gnutls_x509_crt_deinit(list?[index]) }
      ntm_gnutls_free(list)
      return nil
    }
  }

  /// - Returns: why the key can't be used; nil if it can
  static func problem(key: [UInt8]) -> String? {
    key.withDatum { datum in
      var key: gnutls_x509_privkey_t?
      guard gnutls_x509_privkey_init(&key) == 0 else { return "no memory" }
      defer { gnutls_x509_privkey_deinit(key) }
      let code = gnutls_x509_privkey_import2(key, datum, GNUTLS_X509_FMT_PEM, nil, 0)
      if code == GNUTLS_E_DECRYPTION_FAILED { return "it is protected by a passphrase" }
      return code < 0 ? reason(code) : nil
    }
  }

  /// - Returns: why the two can't be used together; nil if they can
  static func problem(certificates: [UInt8], key: [UInt8]) -> String? {
    certificates.withDatum { certificates in
      key.withDatum { key in
        var credentials: gnutls_certificate_credentials_t?
        guard gnutls_certificate_allocate_credentials(&credentials) == 0 else {
          return "no memory"
        }
        defer { gnutls_certificate_free_credentials(credentials) }
        let code = gnutls_certificate_set_x509_key_mem(
          credentials, certificates, key, GNUTLS_X509_FMT_PEM)
        return code < 0 ? reason(code) : nil
      }
    }
  }

  private static func reason(_ code: Int32) -> String {
    switch code {
    case GNUTLS_E_NO_CERTIFICATE_FOUND, GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR,
      GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE:
      "there is none that is whole, in PEM"
    default: String(cString: gnutls_strerror(code))
    }
  }
}

/// A client's side of TLS that trusts everybody: for asking whether a server is alive.
public enum TLSClient {
  /// Sends a request over a socket that is connected, and gives the first bytes of what comes back.
  ///
  /// - Returns: nil where there is no answer
  public static func exchange(_ request: String, over descriptor: Int32) -> [UInt8]? {
    var session: gnutls_session_t?
    var credentials: gnutls_certificate_credentials_t?
    guard gnutls_init(&session, UInt32(GNUTLS_CLIENT.rawValue)) == 0 else { return nil }
    defer { gnutls_deinit(session) }
    guard gnutls_certificate_allocate_credentials(&credentials) == 0 else { return nil }
    defer { gnutls_certificate_free_credentials(credentials) }
    gnutls_set_default_priority(session)
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials))
    gnutls_transport_set_int2(session, descriptor, descriptor)
    var code: Int32
    repeat {
      code = gnutls_handshake(session)
    } while code < 0 && gnutls_error_is_fatal(code) == 0
      && code != GNUTLS_E_AGAIN
    guard code == 0, gnutls_record_send(session, request, request.utf8.count) == request.utf8.count
    else { return nil }
    var reply = [UInt8](repeating: 0, count: 256)
    let count = gnutls_record_recv(session, &reply, reply.count)
    return count > 0 ? Array(reply.prefix(count)) : nil
  }
}

extension [UInt8] {
  fileprivate func withDatum<Result>(
    _ body: (UnsafePointer<gnutls_datum_t>) -> Result
  ) -> Result {
    withUnsafeBufferPointer { bytes in
      // GnuTLS only reads it.
      var datum = gnutls_datum_t(
        data: UnsafeMutablePointer(mutating: bytes.baseAddress), size: UInt32(bytes.count))
      return body(&datum)
    }
  }
}
