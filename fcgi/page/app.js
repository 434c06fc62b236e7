"use strict";
fetch("overview.json")
    .then((answer) => answer.json())
    .then(({ totals }) => {
        document.getElementById("totals").textContent = `${totals.notifications} notifications`;
    });
