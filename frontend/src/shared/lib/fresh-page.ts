/** Load the page anew at its beginning: nothing that one user had in memory is there for the next. */

export function freshPage(): void {
  history.replaceState(null, "", "/");
  location.reload();
}
