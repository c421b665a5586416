/// What the service notes of a request on its way, for its reply, the log and the metrics.
struct RequestNotes: Sendable {
  /// The request may be carried out: where from and by whom it comes was looked at.
  var isAdmitted = false
  /// The name of the key that it was sent with.
  var keyName: String?
  /// Where it comes from, if that is another site that may read the reply.
  var foreignOrigin: String?
  /// Of its pattern; nil as long as nobody has looked, and for none.
  var route: Int?
  /// Once it was asked for.
  var id: String?
}
